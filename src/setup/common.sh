# What both scripts share. The values above were put in by Pulse, each in quotes.

say() { printf '%s\n' "$*"; }
fail() {
    printf 'Error: %s\n' "$*" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" -eq 0 ] || fail "this has to run as root"
}

# The name of this host in token names: letters, digits and dashes.
node_name() {
    local name
    name=$(hostname -s 2>/dev/null || hostname 2>/dev/null || true)
    name=$(printf '%s' "$name" | tr -c 'A-Za-z0-9-' '-' | cut -c1-32)
    printf '%s' "${name:-host}"
}

# The address under which Pulse reaches this host, when the link did not name one.
own_host() {
    local name
    name=$(hostname -f 2>/dev/null || hostname 2>/dev/null || true)
    case "$name" in
        '' | localhost | localhost.*) name=$(hostname -I 2>/dev/null | cut -d' ' -f1) ;;
    esac
    name=$(printf '%s' "$name" | tr -cd 'A-Za-z0-9.:-')
    case "$name" in
        *:*) name="[$name]" ;;
    esac
    printf 'https://%s:%s' "$name" "$DEFAULT_PORT"
}

# The secret in what creating a token printed, whether a table or JSON: a UUID.
secret_in() {
    printf '%s\n' "$1" | grep -oiE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' | head -n 1
}

# Asks at the terminal; standard input is this script itself when it is piped into bash.
ask_code() {
    CODE=''
    if { exec 3<>/dev/tty; } 2>/dev/null; then
        printf 'Setup code shown by Pulse (leave empty to register by hand): ' >&3
        IFS= read -r CODE <&3 || CODE=''
        exec 3>&-
        CODE=$(printf '%s' "$CODE" | tr -d '[:space:]')
    fi
}

json_text() {
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    printf '"%s"' "$(printf '%s' "$text" | tr -d '[:cntrl:]')"
}

# Registers once with the code in CODE. 0: done, 1: refused, 2: not reached. The secret goes through standard input,
# where no list of processes shows it.
register_once() {
    local body answer status
    body="{\"type\":$(json_text "$PRODUCT"),\"host\":$(json_text "$HOST_URL"),\"serverName\":$(json_text "$(hostname)")"
    body="$body,\"tokenId\":$(json_text "$TOKEN_ID"),\"tokenValue\":$(json_text "$TOKEN_SECRET")"
    body="$body,\"setupCode\":$(json_text "$CODE")}"
    local options=(-sS --max-time 60 -X POST -H 'Content-Type: application/json' --data-binary @- -w '\n%{http_code}')
    if [ "${PULSE_INSECURE:-}" = 1 ]; then
        options+=(-k)
    fi
    if ! answer=$(printf '%s' "$body" | curl "${options[@]}" "$PULSE_URL/api/auto-register"); then
        say "Pulse was not reached at $PULSE_URL. (With a self-signed certificate there, set PULSE_INSECURE=1.)"
        return 2
    fi
    status=${answer##*$'\n'}
    case "$status" in
        200) return 0 ;;
        *) say "Pulse did not register this host: ${answer%$'\n'*}" ;;
    esac
    return 1
}

# The code comes from the link, from PULSE_SETUP_CODE or from the terminal, where it may be mistyped twice.
register() {
    local tries outcome
    CODE=${LINK_CODE:-${PULSE_SETUP_CODE:-}}
    if [ -n "$CODE" ]; then
        register_once
        return
    fi
    for tries in 1 2 3; do
        ask_code
        [ -n "$CODE" ] || return 1
        outcome=0
        register_once || outcome=$?
        if [ "$outcome" -ne 1 ] || [ "$tries" -eq 3 ]; then
            return "$outcome"
        fi
    done
}

# What to type into Pulse when this host could not register itself.
by_hand() {
    say ""
    say "This host is prepared, but not registered. Add it in Pulse (Settings, Nodes) with:"
    say "  Host URL:     $HOST_URL"
    say "  Token ID:     $TOKEN_ID"
    say "  Token secret: $TOKEN_SECRET"
    say "The secret is not shown again."
}
