#!/usr/bin/env bash
# Makes an unprivileged Debian container with Pulse in it. Runs as root on a Proxmox VE 7, 8 or 9 host; install.sh calls
# it with the verified archive in PULSE_ARCHIVE. Answers can be given beforehand: var_ctid, var_hostname, var_cpu,
# var_ram, var_disk, var_storage, var_template_storage, var_brg, var_net (dhcp or ADDRESS/PREFIX), var_gateway,
# var_vlan, var_tags; var_advanced=yes asks for each.
set -euo pipefail
: "${var_ctid:=}" "${var_hostname:=}" "${var_cpu:=}" "${var_ram:=}" "${var_disk:=}" "${var_storage:=}" "${var_tags:=}"
: "${var_template_storage:=}" "${var_brg:=}" "${var_net:=}" "${var_gateway:=}" "${var_vlan:=}" "${var_advanced:=}"

fail() { # fail WHAT [WHAT TO DO NEXT]
  printf 'pulse: %s\n' "$1" >&2
  [[ -z ${2:-} ]] || printf '       %s\n' "$2" >&2
  exit 1
}
say() { printf '%s\n' "$*"; }

# ask VARIABLE QUESTION DEFAULT: the variable if it is set, else the answer on the terminal, else the default.
ask() {
  local answer=''
  if [[ -n ${!1:-} ]]; then return; fi
  if [[ $advanced == yes ]] && [[ -t 1 ]]; then read -r -p "$2 [$3]: " answer </dev/tty || true; fi
  printf -v "$1" '%s' "${answer:-$3}"
}

check_host() {
  [[ $EUID -eq 0 ]] || fail "this needs root" "Run it again as root on the Proxmox VE host."
  local tool
  for tool in pct pveam pvesh pvesm pveversion; do
    command -v $tool >/dev/null || fail "$tool is missing: this is no Proxmox VE host" "On Debian or Ubuntu run install.sh itself."
  done
  pve=$(pveversion | sed -nE 's|^pve-manager/([0-9]+)\.([0-9]+).*|\1 \2|p')
  read -r major minor <<<"$pve"
  case ${major:-} in
    7 | 8 | 9) ;;
    *) fail "Proxmox VE ${major:-?} is not known to work" "Proxmox VE 7, 8 and 9 are." ;;
  esac
  [[ -f ${PULSE_ARCHIVE:-} ]] || fail "there is no archive to install" "Start it by install.sh, which fetches and verifies one."
}

# The newest Debian that this Proxmox VE can run.
debian() {
  case $major in
    9) say 13 ;;
    8) if ((minor >= 4)); then say 13; else say 12; fi ;;
    *) if ((minor >= 4)); then say 12; else say 11; fi ;;
  esac
}

first_storage() { pvesm status -content "$1" | awk 'NR > 1 && $3 == "active" { print $1; exit }'; }

questions() {
  advanced=${var_advanced:-}
  if [[ -z $advanced ]] && [[ -t 1 ]]; then
    read -r -p "Use the defaults (1 core, 256 MB, 2 GB, DHCP)? [Y/n]: " advanced </dev/tty || true
    case $advanced in [nN]*) advanced=yes ;; *) advanced=no ;; esac
  fi
  local next
  next=$(pvesh get /cluster/nextid --output-format json | tr -d '"[:space:]') || fail "failed to ask for a free id" "Is this node in quorum? See: pvecm status"
  ask var_ctid "Container id" "$next"
  ask var_hostname "Host name" pulse
  ask var_cpu "Cores" 1
  ask var_ram "Memory in MB" 256
  ask var_disk "Disk in GB" 2
  ask var_storage "Storage for the disk" "$(first_storage rootdir)"
  ask var_template_storage "Storage for the template" "$(first_storage vztmpl)"
  ask var_brg "Bridge" vmbr0
  ask var_net "Address (dhcp or ADDRESS/PREFIX)" dhcp
  [[ $var_net == dhcp ]] || ask var_gateway "Gateway" ''
  ask var_vlan "VLAN (empty: none)" ''
  ask var_tags "Tags" "monitoring;proxmox"
  check_answers
}

check_answers() {
  local name
  for name in var_ctid var_cpu var_ram var_disk; do
    [[ ${!name} =~ ^[1-9][0-9]*$ ]] || fail "${name#var_} must be a number, not '${!name}'" "Set $name."
  done
  [[ -n $var_storage ]] || fail "no active storage takes container disks" "Allow 'Container' on one under Datacenter, Storage."
  [[ -n $var_template_storage ]] || fail "no active storage takes container templates" "Allow 'Container template' on one under Datacenter, Storage."
  if pct status "$var_ctid" >/dev/null 2>&1; then fail "container $var_ctid exists already" "Choose another id: var_ctid=…"; fi
}

# The template, fetched unless it is there; sets `template`.
need_template() {
  local wanted
  wanted=debian-$(debian)-standard
  template=$(pveam list "$var_template_storage" | awk -v w="$wanted" 'index($1, w) { print $1 }' | sort -V | tail -n 1)
  [[ -z $template ]] || return 0
  say "Fetching the template $wanted …"
  pveam update >/dev/null || fail "failed to update the list of templates" "Check this host's network."
  local file
  file=$(pveam available --section system | awk -v w="$wanted" 'index($2, w) { print $2 }' | sort -V | tail -n 1)
  [[ -n $file ]] || fail "there is no template $wanted" "See: pveam available --section system"
  fetched=$var_template_storage:vztmpl/$file
  pveam download "$var_template_storage" "$file" >/dev/null || fail "failed to fetch the template $file" "Check the network and the free space of $var_template_storage."
  template=$fetched
}

create() {
  local net="name=eth0,bridge=$var_brg,ip=$var_net" options=()
  [[ -z ${var_gateway:-} ]] || net+=",gw=$var_gateway"
  [[ -z ${var_vlan:-} ]] || net+=",tag=$var_vlan"
  # Tags came with 7.3.
  if ((major > 7 || minor >= 3)) && [[ -n $var_tags ]]; then options=(--tags "$var_tags"); fi
  say "Creating container $var_ctid …"
  created=$var_ctid
  pct create "$var_ctid" "$template" --unprivileged 1 --features nesting=1 --ostype debian --hostname "$var_hostname" \
    --cores "$var_cpu" --memory "$var_ram" --swap 0 --rootfs "$var_storage:$var_disk" --net0 "$net" --onboot 1 \
    "${options[@]}" >/dev/null || fail "failed to create container $var_ctid" "See the message of pct above."
  pct start "$var_ctid" || fail "failed to start container $var_ctid" "See the message of pct above."
}

inside() { pct exec "$created" -- "$@"; }

wait_for_address() {
  local tries
  for ((tries = 0; tries < 30; tries++)); do
    address=$(inside hostname -I 2>/dev/null | awk '{ print $1 }') || address=''
    [[ -z $address ]] || return 0
    sleep "${PULSE_LXC_PAUSE:-1}"
  done
  fail "container $var_ctid got no address" "Check bridge $var_brg and its DHCP server, or set var_net and var_gateway."
}

install_inside() {
  local folder file
  folder=$(dirname "$PULSE_ARCHIVE")
  inside mkdir -p /root/pulse-release
  for file in "$PULSE_ARCHIVE" "$folder/checksums.txt" "$folder/checksums.txt.sshsig"; do
    pct push "$created" "$file" "/root/pulse-release/$(basename "$file")" || fail "failed to copy $(basename "$file") into the container" "Is there room in $var_storage?"
  done
  pct push "$created" "$(dirname "$0")/../scripts/install.sh" /root/pulse-release/install.sh
  say "Installing Pulse …"
  inside bash /root/pulse-release/install.sh --archive "/root/pulse-release/$(basename "$PULSE_ARCHIVE")" ||
    fail "failed to install Pulse in container $var_ctid" "See the messages above."
  # `update` here is the container's own word; by it Pulse knows how it was installed (pulse.sh).
  inside sh -c "sed -i 's|^# Updates Pulse.\$|# Updates Pulse in the container that lxc/pulse.sh made.|' /usr/bin/update"
  inside rm -rf /root/pulse-release
}

# Whatever was begun goes again, and nothing else.
clean_up() {
  local code=$?
  trap - EXIT
  if ((code)); then
    if [[ -n $created ]]; then
      pct stop "$created" >/dev/null 2>&1 || true
      pct destroy "$created" --purge 1 >/dev/null 2>&1 || true
    fi
    [[ -z $fetched ]] || pveam remove "$fetched" >/dev/null 2>&1 || true
    say "Nothing was left behind."
  fi
  exit "$code"
}

created='' fetched=''
trap 'exit 130' HUP INT TERM
trap clean_up EXIT
check_host
questions
need_template
create
wait_for_address
install_inside
say "Pulse runs in container $var_ctid: http://$address:7655"
say "Update it by typing 'update' in it, or from here: pct exec $var_ctid -- update"
