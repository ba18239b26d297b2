#!/usr/bin/env bash
# The container on Proxmox VE 7, 8 and 9, against recording stands-in of its tools.
# shellcheck disable=SC2154 # `run` exports what the stories share
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=root.sh
. "$here/root.sh"
make_root
released "v$now"
calls=$root/var/log/calls

# One stand-in for all five: writes down how it was called and answers as that version does.
mkdir "$root/opt/pve"
cat >"$root/opt/pve/pct" <<'S'
#!/bin/bash
tool=$(basename "$0")
. /run/pve
[[ $tool == pveversion ]] || printf '%s %s\n' "$tool" "$*" >>/var/log/calls
[[ -z ${FAIL:-} || "$tool $*" != $FAIL ]] || { echo "$tool: failed as asked" >&2; exit 1; }
case "$tool $1" in
  "pveversion "*) echo "pve-manager/$PVE (running kernel: 6.8.12-1-pve)" ;;
  "pvesh get") echo '"105"' ;;
  "pvesm status")
    printf 'Name             Type     Status           Total            Used       Available        %%\n'
    [[ $3 == vztmpl ]] && printf 'cold              dir   disabled               0               0               0      N/A\nlocal             dir     active        98497780        12345678        86152102   12.53%%\n'
    [[ $3 == rootdir ]] && printf 'local-lvm     lvmthin     active       366276608        12345678       353930930    3.37%%\n'
    exit 0
    ;;
  "pveam list") printf 'NAME                                                         SIZE  \n'; [[ -z ${HAVE:-} ]] || echo "local:vztmpl/$HAVE 120.65MB" ;;
  "pveam available")
    for v in 11-standard_11.7-1 12-standard_12.7-1 12-standard_12.12-1 13-standard_13.1-2; do echo "system          debian-${v}_amd64.tar.zst"; done ;;
  "pct status") exit 2 ;;
  "pct exec")
    shift 3
    case $1 in
      hostname) [[ -n ${NO_ADDRESS:-} ]] || echo "192.0.2.55 2001:db8::5 " ;;
      *) PATH=/usr/sbin:/usr/bin:/sbin:/bin exec "$@" ;; # this root stands in for the container, too
    esac
    ;;
  "pct push") mkdir -p "$(dirname "$4")" && cp "$3" "$4" ;;
esac
S
chmod 755 "$root/opt/pve/pct"
for tool in pveam pvesh pvesm pveversion; do ln -sf pct "$root/opt/pve/$tool"; done

host() { # host VERSION [SETTING …]: what the stand-ins answer from now on
  : >"$calls"
  printf 'PVE=%s\n' "$1" >"$root/run/pve"
  shift
  (($# == 0)) || printf '%q\n' "$@" | sed 's/^\([A-Z_]*\)\\=/\1=/' >>"$root/run/pve"
}

# In the container the host's tools are not there: install.sh must see Debian, not Proxmox.
line() { in_root env PATH=/opt/pve:/usr/sbin:/usr/bin PULSE_LXC_PAUSE=0 "$@" bash -c "$(readme 'curl -fsSL https://github.com')"; }

creates() { # creates PVE TEMPLATE
  host "$1"
  mkdir -p "$root/root"
  line >"$work/$story/said"
  cat "$work/$story/said"
  grep -qF "Pulse runs in container 105: http://192.0.2.55:7655" "$work/$story/said"
  grep -qF "pveam download local $2" "$calls"
  local create
  create=$(grep '^pct create' "$calls")
  [[ $create == "pct create 105 local:vztmpl/$2 --unprivileged 1 --features nesting=1 --ostype debian --hostname pulse --cores 1 --memory 256 --swap 0 --rootfs local-lvm:2 --net0 name=eth0,bridge=vmbr0,ip=dhcp --onboot 1 --tags monitoring;proxmox" ]]
  [[ $(grep -c '^pct create' "$calls") == 1 && $(grep -c '^pct start 105' "$calls") == 1 ]]
  none '^pct destroy' "$calls"
  grep -q 'pulse\.sh' "$root/usr/bin/update"
  at_work "$now"
  [[ ! -e $root/root/pulse-release ]]
}
it "Proxmox VE 9 gets Debian 13" creates 9.0.3/025864202ebb6109 debian-13-standard_13.1-2_amd64.tar.zst
it "Proxmox VE 8.4 gets Debian 13" creates 8.4.1/2a5fa54a8503f96d debian-13-standard_13.1-2_amd64.tar.zst
it "Proxmox VE 8.2 gets Debian 12, the newest of it" creates 8.2.2/9355359cd7afbae4 debian-12-standard_12.12-1_amd64.tar.zst
it "Proxmox VE 7.4 gets Debian 12" creates 7.4-17/513c62be debian-12-standard_12.12-1_amd64.tar.zst

early_seven() {
  host 7.2-3/c743d6c1
  line
  grep -q 'debian-11-standard' "$calls"
  none '--tags' "$calls"
}
it "Proxmox VE 7.2 knows no tags and no Debian 12" early_seven

chosen() {
  host 8.4.1/1 HAVE=debian-13-standard_13.0-1_amd64.tar.zst
  line var_ctid=311 var_hostname=watch var_cpu=2 var_ram=512 var_disk=4 var_storage=tank var_brg=vmbr7 \
    var_net=192.0.2.9/24 var_gateway=192.0.2.1 var_vlan=30 var_tags=mine
  grep -qF 'pct create 311 local:vztmpl/debian-13-standard_13.0-1_amd64.tar.zst' "$calls"
  grep -qF -- '--hostname watch --cores 2 --memory 512 --swap 0 --rootfs tank:4 --net0 name=eth0,bridge=vmbr7,ip=192.0.2.9/24,gw=192.0.2.1,tag=30 --onboot 1 --tags mine' "$calls"
  none 'pveam download' "$calls"
}
it "every answer can be given, a template that is there is used" chosen

cleans() { # cleans WHAT-FAILS WHAT-IT-SAYS [SETTING …]: and only what it made itself goes
  local fail=$1 text=$2
  shift 2
  host 8.4.1/1 "FAIL=$fail" "$@"
  fails_with "$text" line
  if grep -q '^pct create' "$calls"; then
    grep -qF 'pct destroy 105 --purge 1' "$calls"
  else
    none '^pct destroy' "$calls"
  fi
  if grep -q '^pveam download' "$calls" && [[ $fail != "pveam download"* ]]; then grep -q '^pveam remove local:vztmpl/debian-13' "$calls"; fi
  [[ $(grep '^pct destroy' "$calls" | grep -vc ' 105 ') == 0 ]]
}
it "no quorum" cleans 'pvesh *' "failed to ask for a free id"
it "no list of templates" cleans 'pveam update*' "failed to update the list of templates"
it "no template" cleans 'pveam download*' "failed to fetch the template"
it "no container" cleans 'pct create*' "failed to create container 105"
it "no start" cleans 'pct start*' "failed to start container 105"
it "no address" cleans nothing "container 105 got no address" NO_ADDRESS=1
it "no room in it" cleans 'pct push*' "failed to copy"

taken() {
  host 8.4.1/1
  sed -i 's/"pct status") exit 2/"pct status") exit 0/' "$root/opt/pve/pct"
  fails_with "container 105 exists already" line
  if grep -qE '^pct (create|destroy|stop)' "$calls"; then return 1; fi
  sed -i 's/"pct status") exit 0/"pct status") exit 2/' "$root/opt/pve/pct"
}
it "a container that exists is never touched" taken

strange() {
  host 6.4-15/af7986e6
  fails_with "Proxmox VE 6 is not known to work" line
  if grep -q '^pct create' "$calls"; then return 1; fi
  host 8.4.1/1
  fails_with "must be a number" line var_ram=much
  if grep -q '^pct create' "$calls"; then return 1; fi
}
it "other versions and odd answers are refused before anything is made" strange
finish_story
