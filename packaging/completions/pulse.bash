# bash completion for pulse
_pulse() {
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words
  case $before in
    -o | --output | -i | --input)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
  esac
  case ${COMP_WORDS[1]} in
    health) words='--url' ;;
    status) words='--url --token --warn --crit --json' ;;
    config)
      case ${COMP_WORDS[2]} in
        export) words='--output --passphrase' ;;
        import) words='--input --passphrase --force' ;;
        *) words='info export import' ;;
      esac
      ;;
    *) words='serve health status config hash-password version help' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _pulse pulse
