need_pbs() {
    need_root
    command -v proxmox-backup-manager >/dev/null 2>&1 ||
        fail "proxmox-backup-manager was not found: this is no Proxmox Backup Server"
}

# The tokens that earlier runs on this server made for this Pulse, one a line.
old_tokens() {
    proxmox-backup-manager user list-tokens "$MONITOR" 2>/dev/null |
        grep -oE "${TOKEN_PREFIX}-[0-9]{9,}" | sort -u || true
}

remove_token() {
    proxmox-backup-manager acl update / "$ROLE" --delete true --auth-id "$MONITOR!$1" >/dev/null 2>&1
    proxmox-backup-manager user delete-token "$MONITOR" "$1" >/dev/null 2>&1
}

install() {
    local before made token
    need_pbs
    say "Preparing this Proxmox Backup Server for Pulse at $PULSE_URL"
    TOKEN_PREFIX="pulse-$PULSE_NAME-$(node_name)"
    before=$(old_tokens)
    if proxmox-backup-manager user list 2>/dev/null | grep -qF "$MONITOR"; then
        say "The user $MONITOR exists."
    else
        proxmox-backup-manager user create "$MONITOR" --comment "Pulse monitoring service" ||
            fail "failed to create the user $MONITOR"
        say "Created the user $MONITOR."
    fi
    TOKEN_NAME="$TOKEN_PREFIX-$(date +%s)"
    TOKEN_ID="$MONITOR!$TOKEN_NAME"
    made=$(proxmox-backup-manager user generate-token "$MONITOR" "$TOKEN_NAME") ||
        fail "failed to create the API token $TOKEN_NAME"
    TOKEN_SECRET=$(secret_in "$made")
    [ -n "$TOKEN_SECRET" ] || fail "the secret of the new API token $TOKEN_NAME was not found in what was printed"
    say "Created the API token $TOKEN_ID."
    # A token may do at most what its user may, and nothing without an entry of its own.
    for token in "$MONITOR" "$TOKEN_ID"; do
        proxmox-backup-manager acl update / "$ROLE" --auth-id "$token" || fail "failed to grant the role $ROLE to $token"
    done
    say "Granted $ROLE."
    if register; then
        for token in $before; do
            remove_token "$token" && say "Removed the earlier API token $token."
        done
        say "Done: Pulse watches $HOST_URL now."
        return 0
    fi
    by_hand
}

uninstall() {
    local token
    need_pbs
    say "Removing the user $MONITOR with all of its API tokens."
    if proxmox-backup-manager user list 2>/dev/null | grep -qF "$MONITOR"; then
        for token in $(proxmox-backup-manager user list-tokens "$MONITOR" 2>/dev/null |
            grep -oE "$MONITOR![A-Za-z0-9._-]+" | sed 's/^[^!]*!//' | sort -u); do
            remove_token "$token"
        done
        proxmox-backup-manager acl update / "$ROLE" --delete true --auth-id "$MONITOR" >/dev/null 2>&1
        proxmox-backup-manager user remove "$MONITOR" || fail "failed to remove the user $MONITOR"
    fi
    say "Done. Remove the server in Pulse as well (Settings, Nodes)."
}
