#!/usr/bin/env bash
# Updates that go well, and updates that must not: whatever happens, a program that works is at work and nothing is lost.
# shellcheck disable=SC2154 # `run` exports what the stories share
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=root.sh
. "$here/root.sh"
make_root
released "v$now"
in_root bash -s <"$work/releases/v$now/install.sh" >/dev/null
post /api/security/quick-setup '{"username":"admin","password":"correct horse 7","apiToken":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}' >/dev/null
auth=(-H "X-API-Token: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
post /api/config/nodes '{"type":"pve","name":"lab","host":"https://192.0.2.10:8006","tokenName":"pulse@pam!t","tokenValue":"11111111-2222-3333-4444-555555555555"}' >/dev/null
kept=$(digest)

# The configuration as it was, read by the program that is at work.
intact() {
  [[ $(digest) == "$kept" && -n $kept ]]
  curl -fsS --max-time 5 "${auth[@]}" "$base/api/config/nodes" | grep -q 192.0.2.10
}

# After a failure: VERSION at work, everything intact, nothing half done, and the same after a power cut.
unharmed() { # unharmed VERSION
  at_work "$1"
  intact
  [[ ! -e $root/opt/pulse/.update/pending && -z $(ls -A "$root/opt/pulse/.update") ]]
  [[ $(cat "$root/opt/pulse/VERSION") == "$1" && $(cat "$root/root/.pulse") == "$1" ]]
}

up_to_date() {
  in_root update --check | grep -q "is the newest release"
  in_root update | grep -q "is the newest release"
  unharmed "$now"
}
it "nothing newer: nothing is done" up_to_date

released "v$next" "v$now"
checked() {
  local code=0
  in_root update --check >"$work/$story/said" || code=$?
  ((code == 10))
  grep -qF "$next" "$work/$story/said"
  unharmed "$now"
}
it "--check tells of a newer one and changes nothing" checked

candidates() {
  released "v9.9.9-rc.1" "v$next" "v$now"
  cp -r "$work/releases/v$next" "$work/releases/v9.9.9-rc.1"
  in_root update --check --rc >"$work/$story/said" || (($? == 10))
  grep -qF "9.9.9-rc.1 is available" "$work/$story/said"
  in_root update --check >"$work/$story/said" || (($? == 10))
  grep -qF "$next is available" "$work/$story/said"
  released "v$next" "v$now"
}
it "release candidates are only for those who ask" candidates

plain() {
  in_root bash -c "$(readme 'update  ')"
  unharmed "$next"
  [[ $(in_root /opt/pulse/.previous/pulse version) == "Pulse v$now" ]]
}
it "update brings the newest" plain

pct_exec() { # `pct exec` looks only there
  also=(PATH=/sbin:/bin:/usr/sbin:/usr/bin)
  in_root update --check | grep -q newest
}
it "update is found with the path that pct exec uses" pct_exec

rolled() {
  in_root bash -c "$(readme 'update --rollback')"
  unharmed "$now"
  in_root update --rollback
  unharmed "$next"
  in_root update --version "$now"
  unharmed "$now"
}
it "--rollback goes back, --version to any" rolled

refused() { # refused WHAT-IT-SAYS RELEASE …
  local text=$1
  shift
  released "$@"
  fails_with "$text" in_root update
  unharmed "$now"
  released "v$next" "v$now"
}
it "a wrong signature is refused" refused "signature of the release is wrong" "v$next=signed-by-another" "v$now"
it "a wrong checksum is refused" refused "checksum of pulse-v$next" "v$next=changed-afterwards" "v$now"
it "an archive of another version is refused" refused "checksum of pulse-v9.8.7" "v9.8.7=renamed" "v$now"
it "a program that is none is refused" refused "does not start here" "v9.0.3" "v$now"
it "a release that does not start is undone" refused "$now runs again" "v9.0.1" "v$now"
it "a release that hangs is undone" refused "$now runs again" "v9.0.2" "v$now"

unreachable() {
  released "v$now"
  also=(PULSE_UPDATE_SERVER=http://127.0.0.1:9)
  fails_with "failed to ask http://127.0.0.1:9" in_root update
  also=()
  fails_with "failed to ask" in_root update --version 1.2.3
  unharmed "$now"
  released "v$next" "v$now"
}
it "without a release server nothing changes" unreachable

full() { # full SIZE-IN-KB WHAT-IT-SAYS
  mount -t tmpfs -o size="${1}k" tmpfs "$work/$story/small"
  in_root systemctl stop pulse
  cp -a "$root/opt/pulse/." "$work/$story/small/"
  mount --bind "$work/$story/small" "$root/opt/pulse"
  in_root systemctl start pulse
  fails_with "$2" in_root update
  unharmed "$now"
  in_root systemctl stop pulse
  umount "$root/opt/pulse"
  umount "$work/$story/small"
  in_root systemctl start pulse
}
mkdir "$work/$story/small"
in_root rm -rf /opt/pulse/.previous
program_kb=$(($(stat -c %s "$binary") / 1024))
archive_kb=$(($(stat -c %s "$work/releases/v$next/pulse-v$next-linux-"*.tar.gz) / 1024))
it "a disk too full for the archive" full $((program_kb + archive_kb / 2 + 64)) "failed to download"
it "a disk too full to unpack it" full $((program_kb + archive_kb + program_kb / 2 + 64)) "failed to unpack the release: nothing was changed"

offline() {
  mkdir -p "$root/tmp/stick"
  cp "$work/releases/v$next/"{pulse-v*.tar.gz,checksums.txt,checksums.txt.sshsig} "$root/tmp/stick/"
  local name
  name=$(basename "$root"/tmp/stick/pulse-v*.tar.gz)
  also=(PULSE_UPDATE_SERVER=http://127.0.0.1:9)
  in_root update "/tmp/stick/$name"
  unharmed "$next"
  mv "$root/tmp/stick/$name" "$root/tmp/stick/${name/v$next/v1.0.0}"
  fails_with "checksum of" in_root update "/tmp/stick/${name/v$next/v1.0.0}"
  rm "$root/tmp/stick/checksums.txt.sshsig"
  fails_with "there is no checksums.txt.sshsig" in_root update "/tmp/stick/${name/v$next/v1.0.0}"
  fails_with "there is no file" in_root update /tmp/nothing.tar.gz
  unharmed "$next"
  in_root update --rollback
  unharmed "$now"
}
it "offline from a file, with the same trust" offline

nightly() {
  in_root systemctl start pulse-update.service
  unharmed "$now"
  post /api/system/settings/update '{"autoUpdateEnabled":true}'
  grep -qE '"autoUpdateEnabled": *true' "$root/etc/pulse/system.json"
  in_root systemctl start pulse-update.service
  at_work "$next"
  in_root update --rollback
  unharmed "$now"
}
it "the nightly update waits for the switch on the page" nightly

one_at_a_time() {
  in_root flock /run/lock/pulse-update.lock sleep 3 &
  sleep 0.3
  fails_with "another update is running" in_root update
  wait
  unharmed "$now"
}
it "only one update at a time" one_at_a_time

community() { # what the community's script does: replaces the folder, links, owns, starts
  in_root systemctl stop pulse
  rm -rf "${root:?}"/opt/pulse/*
  tar -xzf "$work/releases/v$next/pulse-v$next-linux-"*.tar.gz -C "$root/opt/pulse"
  in_root ln -sf /opt/pulse/bin/pulse /usr/local/bin/pulse
  in_root chown -R pulse:pulse /etc/pulse /opt/pulse
  in_root chmod 700 /etc/pulse
  in_root systemctl start pulse
  at_work "$next"
  intact
  in_root update --version "$now"
  unharmed "$now"
}
it "the community's way of updating works too, and ours after it" community
finish_story
