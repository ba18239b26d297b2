need_pve() {
    need_root
    command -v pveum >/dev/null 2>&1 && return
    if [ -f /run/systemd/container ] || [ -f /.dockerenv ] || [ -n "${container:-}" ]; then
        fail "this is a container; run it in the shell of the Proxmox VE host itself"
    fi
    fail "pveum was not found: this is no Proxmox VE host"
}

# The privileges beside the role PVEAuditor, by what this version knows: guest agents are asked for disks and addresses.
extra_privileges() {
    local known version
    known=$(pveum role list --output-format json 2>/dev/null || pveum role list 2>/dev/null || true)
    case "$known" in
        *VM.Monitor*) printf 'Sys.Audit,VM.Monitor' ;;
        *VM.GuestAgent.FileRead*) printf 'Sys.Audit,VM.GuestAgent.Audit,VM.GuestAgent.FileRead' ;;
        *VM.GuestAgent.Audit*) printf 'Sys.Audit,VM.GuestAgent.Audit' ;;
        *)
            version=$(pveversion 2>/dev/null | sed -n 's|^pve-manager/\([0-9]*\).*|\1|p')
            if [ -n "$version" ] && [ "$version" -le 8 ]; then
                printf 'Sys.Audit,VM.Monitor'
            else
                printf 'Sys.Audit,VM.GuestAgent.Audit'
            fi
            ;;
    esac
}

# The tokens that earlier runs on this node made for this Pulse, one a line.
old_tokens() {
    pveum user token list "$MONITOR" 2>/dev/null | grep -oE "${TOKEN_PREFIX}-[0-9]{9,}" | sort -u || true
}

grant() {
    local privileges
    pveum aclmod / -user "$MONITOR" -role PVEAuditor || fail "failed to grant the role PVEAuditor"
    if [ "$BACKUP_PERMS" = true ]; then
        pveum aclmod /storage -user "$MONITOR" -role PVEDatastoreAdmin || fail "failed to grant the role PVEDatastoreAdmin"
    fi
    privileges=$(extra_privileges)
    if ! pveum role add "$ROLE" --privs "$privileges" >/dev/null 2>&1; then
        pveum role modify "$ROLE" --privs "$privileges" || fail "failed to set the privileges of the role $ROLE"
    fi
    pveum aclmod / -user "$MONITOR" -role "$ROLE" || fail "failed to grant the role $ROLE"
    say "Granted PVEAuditor and $ROLE ($privileges)."
}

install() {
    local before made token
    need_pve
    say "Preparing this Proxmox VE host for Pulse at $PULSE_URL"
    TOKEN_PREFIX="pulse-$PULSE_NAME-$(node_name)"
    before=$(old_tokens)
    if pveum user list 2>/dev/null | grep -qF "$MONITOR"; then
        say "The user $MONITOR exists."
    else
        pveum user add "$MONITOR" --comment "Pulse monitoring service" || fail "failed to create the user $MONITOR"
        say "Created the user $MONITOR."
    fi
    grant
    TOKEN_NAME="$TOKEN_PREFIX-$(date +%s)"
    TOKEN_ID="$MONITOR!$TOKEN_NAME"
    made=$(pveum user token add "$MONITOR" "$TOKEN_NAME" --privsep 0 --output-format json) ||
        fail "failed to create the API token $TOKEN_NAME"
    TOKEN_SECRET=$(secret_in "$made")
    [ -n "$TOKEN_SECRET" ] || fail "the secret of the new API token $TOKEN_NAME was not found in what pveum printed"
    say "Created the API token $TOKEN_ID."
    if register; then
        for token in $before; do
            pveum user token remove "$MONITOR" "$token" >/dev/null 2>&1 && say "Removed the earlier API token $token."
        done
        say "Done: Pulse watches $HOST_URL now."
        return 0
    fi
    by_hand
}

uninstall() {
    need_pve
    say "Removing the user $MONITOR with all of its API tokens, and the role $ROLE."
    if pveum user list 2>/dev/null | grep -qF "$MONITOR"; then
        pveum user delete "$MONITOR" || fail "failed to remove the user $MONITOR"
    fi
    if pveum role list 2>/dev/null | grep -qwF "$ROLE"; then
        pveum role delete "$ROLE" || fail "failed to remove the role $ROLE"
    fi
    say "Done. Remove the host in Pulse as well (Settings, Nodes)."
}
