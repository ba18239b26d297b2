#!/usr/bin/env bash
# From nothing to a running service by the line in README.md, and back to nothing.
# shellcheck disable=SC2154 # `run` exports what the stories share
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=root.sh
. "$here/root.sh"
make_root
released "v$now"
files() {
  (
    cd "$root"
    find . -xdev \( -path ./run -o -path ./tmp -o -path ./var/log \) -prune -o -type f -print
    cd usr
    find bin lib/pulse local share/man share/bash-completion share/zsh share/fish \( -type f -o -type l \) 2>/dev/null || true
  ) | sort
}
files >"$work/$story/before"

by_readme() { in_root bash -c "$(readme 'curl -fsSL https://github.com')"; }
it "the line in the README installs it" by_readme
it "it is at work" at_work "$now"

layout() {
  [[ $(stat -c '%U %a' "$root/opt/pulse/bin/pulse") == "root 755" ]]
  [[ $(in_root stat -c '%U:%G %a' /etc/pulse) == "pulse:pulse 700" ]]
  [[ $(in_root readlink /usr/local/bin/pulse) == /opt/pulse/bin/pulse ]]
  [[ $(cat "$root/opt/pulse/VERSION") == "$now" && $(cat "$root/root/.pulse") == "$now" ]]
  [[ -L $root/etc/systemd/system/multi-user.target.wants/pulse.service ]]
  [[ $(in_root getent passwd pulse | cut -d: -f7) == /usr/sbin/nologin ]]
  [[ $(in_root ps -o user= -p "$(in_root systemctl show -p MainPID --value pulse)") == pulse ]]
  [[ ! -L $root/etc/systemd/system/timers.target.wants/pulse-update.timer ]]
}
it "program, data, link, account and service are where the community expects them" layout

curl_lines() {
  # shellcheck disable=SC2016 # the fences of the code
  sed -n '/^```bash/,/^```/p' "$here/../../README.md" | sed -n '/^curl -X POST/,/^```/p' | grep -v '^```' >"$root/tmp/lines"
  [[ $(grep -c '^curl' "$root/tmp/lines") -ge 3 ]]
  post /api/security/quick-setup '{"username":"admin","password":"correct horse 7","apiToken":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}'
  in_root env TOKEN=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef \
    bash -c 'set -e; curl() { command curl -fsS "$@"; }; . /tmp/lines'
}
it "the curl lines in the README are answered" curl_lines

again() {
  local before
  before=$(digest)
  by_readme
  at_work "$now"
  [[ $(digest) == "$before" && -n $before ]]
}
it "installing once more changes nothing" again

stuck() {
  local pid
  pid=$(in_root systemctl show -p MainPID --value pulse)
  kill -STOP "$pid"
  for _ in $(seq 100); do
    [[ $(in_root systemctl show -p MainPID --value pulse) =~ ^("$pid"|0)$ ]] || break
    sleep 0.1
  done
  at_work "$now"
  [[ $(in_root systemctl show -p NRestarts --value pulse) -ge 1 ]]
  grep -q 'watchdog timed out' "$root/var/log/units/pulse.service.log"
}
it "one that is stuck is started again" stuck

no_nesting() {
  touch "$root/run/units-no-namespaces"
  by_readme
  at_work "$now"
  [[ -s $root/etc/systemd/system/pulse.service.d/20-no-nesting.conf ]]
  rm "$root/run/units-no-namespaces"
}
it "a container without nesting is noticed and served" no_nesting

automatic() {
  in_root bash -s -- --enable-auto-updates <"$work/releases/v$now/install.sh"
  grep -q '"autoUpdateEnabled": true' "$root/etc/pulse/system.json"
  [[ -L $root/etc/systemd/system/timers.target.wants/pulse-update.timer ]]
  [[ $(in_root stat -c '%U %a' /etc/pulse/system.json) == "pulse 600" ]]
  at_work "$now"
}
it "--enable-auto-updates switches the timer on" automatic

foreign() {
  printf '#!/bin/sh\necho another application\n' >"$root/usr/bin/update"
  by_readme
  grep -q 'another application' "$root/usr/bin/update"
  rm "$root/usr/bin/update"
}
it "another application's update command is left alone" foreign

options() {
  fails_with "See: install.sh --help" in_root bash -s -- --nonsense <"$work/releases/v$now/install.sh"
  fails_with "Write it as" in_root bash -s -- --version latest <"$work/releases/v$now/install.sh"
  fails_with "ask https://api.github.com" in_root bash -s -- --version 1.2.3 <"$work/releases/v$now/install.sh"
  fails_with "Run it again as root" in_root setpriv --reuid=65534 --regid=65534 --clear-groups bash -s <"$work/releases/v$now/install.sh"
  at_work "$now"
}
it "what it cannot do is refused with advice" options

reset() {
  local before
  before=$(digest)
  in_root bash -s -- --reset <"$work/releases/v$now/install.sh"
  at_work "$now"
  local aside
  aside=$(echo "$root"/var/backups/pulse-*)
  [[ $(digest_of "$aside") == "$before" ]]
  [[ $(digest) != "$before" ]]
}
it "--reset starts anew and keeps the old configuration aside" reset

removed() {
  local before
  before=$(digest)
  in_root bash -s -- --uninstall <"$work/releases/v$now/install.sh"
  [[ ! -e $root/opt/pulse && ! -e $root/usr/bin/update && $(digest) == "$before" ]]
  if curl -fs --max-time 2 "$base/api/health"; then return 1; fi
}
it "--uninstall removes the program and keeps the configuration" removed

back() {
  local before
  before=$(digest)
  by_readme
  at_work "$now"
  [[ $(digest) == "$before" ]]
}
it "installed again, it goes on where it was" back

purged() {
  in_root bash -s -- --uninstall --purge <"$work/releases/v$now/install.sh"
  rm -rf "$root"/var/backups/pulse-*
  if in_root getent passwd pulse; then return 1; fi
  files | grep -vE '/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|\.lock$' >"$work/$story/after"
  grep -vE '/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|\.lock$' "$work/$story/before" | diff - "$work/$story/after"
}
it "--uninstall --purge leaves nothing" purged
finish_story
