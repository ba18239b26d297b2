
main() {
    HOST_URL=${LINK_HOST:-$(own_host)}
    case "${1:-}" in
        '') install ;;
        --uninstall) uninstall ;;
        *)
            say "Without arguments: prepares this host and registers it with Pulse."
            say "--uninstall: takes everything back."
            exit 2
            ;;
    esac
}

# Nothing happens before the last line, so a download that breaks off does nothing.
main "$@"
