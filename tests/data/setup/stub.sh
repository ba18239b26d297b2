#!/bin/bash
# Stands for every tool of a Proxmox host that a setup script calls. It keeps users, tokens, roles and permissions as
# files in $HOST_STATE, writes each call to $HOST_STATE/calls, and behaves like the version in $HOST_VERSION.
tool=${0##*/}
printf '%s %s\n' "$tool" "$*" >>"$HOST_STATE/calls"
touch "$HOST_STATE"/{users,tokens,roles,acl}
uuid() {
    count=$(wc -l <"$HOST_STATE/tokens")
    printf '12345678-9abc-4def-8123-%012d' "$count"
}
case "$tool" in
id) echo 0 ;;
hostname) [ "$1" = -I ] && echo 10.0.0.9 || echo pve-one ;;
date) echo $((1700000000 + $(wc -l <"$HOST_STATE/calls"))) ;;
pveversion) echo "pve-manager/$HOST_VERSION.2.1/abcdef (running kernel: 6.8)" ;;
curl)
    body=$(cat)
    printf '%s\n' "$body" >>"$HOST_STATE/bodies"
    printf '%s\n%s' "${CURL_ANSWER:-{\"status\":\"success\"\}}" "${CURL_STATUS:-200}"
    exit "${CURL_EXIT:-0}"
    ;;
pveum)
    case "$1 $2" in
    'user list') cat "$HOST_STATE/users" ;;
    'user add')
        grep -qxF "$3" "$HOST_STATE/users" && exit 255
        echo "$3" >>"$HOST_STATE/users"
        ;;
    'user delete') rm "$HOST_STATE"/{users,tokens,acl} ;;
    'user token')
        case "$3" in
        list) sed 's/^/| /' "$HOST_STATE/tokens" ;;
        add)
            echo "$5" >>"$HOST_STATE/tokens"
            printf '{"full-tokenid":"%s!%s","info":{"privsep":"0"},"value":"%s"}\n' "$4" "$5" "$(uuid)"
            ;;
        remove) sed -i "/^$5\$/d" "$HOST_STATE/tokens" ;;
        esac
        ;;
    'role list')
        case "$HOST_VERSION" in
        7 | 8) echo 'Administrator Sys.Audit,VM.Audit,VM.Monitor' ;;
        *) echo 'Administrator Sys.Audit,VM.Audit,VM.GuestAgent.Audit,VM.GuestAgent.FileRead' ;;
        esac
        cat "$HOST_STATE/roles"
        ;;
    'role add')
        case "$HOST_VERSION $5" in 9*VM.Monitor* | [78]*GuestAgent*) exit 255 ;; esac
        grep -q "^$3 " "$HOST_STATE/roles" && exit 255
        echo "$3 $5" >>"$HOST_STATE/roles"
        ;;
    'role modify' | 'role delete')
        sed -i "/^$3 /d" "$HOST_STATE/roles"
        [ "$2" = delete ] || echo "$3 $5" >>"$HOST_STATE/roles"
        ;;
    'aclmod '*) echo "$2 $4 $6" >>"$HOST_STATE/acl" ;;
    *) exit 255 ;;
    esac
    ;;
proxmox-backup-manager)
    case "$1 $2" in
    'user list') cat "$HOST_STATE/users" ;;
    'user create') echo "$3" >>"$HOST_STATE/users" ;;
    'user remove') sed -i "/^$3\$/d" "$HOST_STATE/users" ;;
    'user list-tokens') sed "s/^/| $3!/" "$HOST_STATE/tokens" ;;
    'user generate-token')
        echo "$4" >>"$HOST_STATE/tokens"
        printf 'Result: {\n  "tokenid": "%s!%s",\n  "value": "%s"\n}\n' "$3" "$4" "$(uuid)"
        ;;
    'user delete-token') sed -i "/^$4\$/d" "$HOST_STATE/tokens" ;;
    'acl update')
        if [ "$5" = --delete ]; then sed -i "\\|^$3 $8 $4\$|d" "$HOST_STATE/acl"; else echo "$3 $6 $4" >>"$HOST_STATE/acl"; fi
        ;;
    *) exit 255 ;;
    esac
    ;;
esac
