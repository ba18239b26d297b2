#!/usr/bin/env bash
# From Pulse 4.9 to this one, in place: nodes, alert rules, webhooks, sessions, port and unit name stay.
# shellcheck disable=SC2154 # `run` exports what the stories share
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=root.sh
. "$here/root.sh"
make_root
released "v$now"
unit=pulse-backend
base=http://127.0.0.1:7788
session=$(printf 'ab%.0s' {1..32})
auth=(-b "pulse_session=$session")

# A machine as 4.9's installer leaves it, with an old name of the unit and a port of its own.
in_root useradd --system --user-group --home-dir /opt/pulse --shell /usr/sbin/nologin pulse
mkdir -p "$root/opt/pulse/bin" "$root/etc/pulse"
cp "$work/pulse-old" "$root/opt/pulse/bin/pulse"
printf '4.9.0\n' >"$root/opt/pulse/VERSION"
cp -r "$here/../data/v49/." "$root/etc/pulse/"
printf '{"%s":{"token":"%s","expires_at":"%s","created_at":"%s","user_agent":"curl","ip":"127.0.0.1"}}\n' "$session" "$session" \
  "$(date -u -d '+20 hours' +%FT%TZ)" "$(date -u +%FT%TZ)" >"$root/etc/pulse/sessions.json"
in_root chown -R pulse:pulse /opt/pulse /etc/pulse
cat >"$root/etc/systemd/system/pulse-backend.service" <<'U'
[Unit]
Description=Pulse Monitoring Server
After=network.target

[Service]
Type=simple
User=pulse
Group=pulse
WorkingDirectory=/opt/pulse
ExecStart=/opt/pulse/bin/pulse
Restart=always
RestartSec=3
StandardOutput=journal
Environment="PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Environment="PULSE_DATA_DIR=/etc/pulse"
Environment="FRONTEND_PORT=7788"
NoNewPrivileges=true

[Install]
WantedBy=multi-user.target
U
printf '#!/bin/bash\ncurl -fsSL https://raw.githubusercontent.com/rcourtman/Pulse/main/install.sh | bash\n' >"$root/usr/local/bin/update"
in_root systemctl enable --now pulse-backend
at_work 4.9.0
untouched=$(digest)

answers() { # nodes, alert rules, webhooks and the session, through the API
  at_work "$1"
  [[ $(digest) == "$untouched" && -n $untouched ]]
  curl -fsS --max-time 5 "${auth[@]}" "$base/api/config/nodes" >"$work/$story/nodes"
  [[ $(jq length "$work/$story/nodes") -ge 2 ]]
  curl -fsS --max-time 5 "${auth[@]}" "$base/api/alerts/config" | jq -e '.overrides["homelab-alpha-100"].disabled == true'
  [[ $(curl -fsS --max-time 5 "${auth[@]}" "$base/api/notifications/webhooks" | jq length) -ge 1 ]]
  [[ $(curl -s -o /dev/null -w '%{http_code}' "$base/api/config/nodes") == 401 ]]
}
it "4.9 is at work with its nodes, rules, webhooks and sessions" answers 4.9.0

by_readme() { in_root bash -c "$(readme 'curl -fsSL https://github.com')"; }
broken() {
  released v9.0.1
  fails_with "4.9.0 runs again" by_readme
  answers 4.9.0
  grep -q 'Type=simple' "$root/etc/systemd/system/pulse-backend.service"
  released "v$now"
}
it "an upgrade that fails leaves 4.9 as it was" broken

it "the line in the README upgrades it" by_readme
it "everything is there: nodes, rules, webhooks, sessions, port" answers "$now"

layout() {
  [[ ! -e $root/etc/systemd/system/pulse.service ]]
  grep -q 'Type=notify' "$root/etc/systemd/system/pulse-backend.service"
  grep -q 'FRONTEND_PORT=7788' "$root/etc/systemd/system/pulse-backend.service.d/10-kept.conf"
  [[ $(in_root stat -c '%U:%G %a' /etc/pulse) == "pulse:pulse 700" ]]
  [[ $(stat -c %U "$root/opt/pulse/bin/pulse") == root ]]
  [[ ! -e $root/usr/local/bin/update && -x $root/usr/bin/update ]]
}
it "the unit keeps its name and settings, 4.9's own update command goes" layout

cut() {
  in_root systemctl power-cut
  answers "$now"
}
it "and after a power cut" cut

back() {
  in_root update --rollback
  answers 4.9.0
  in_root update --rollback
  answers "$now"
}
it "--rollback goes back to 4.9, and forward again" back

# An installation by the community's script: a plain unit, everything owned by the service, their update command.
community() {
  in_root bash -s -- --uninstall <"$work/releases/v$now/install.sh"
  unit=pulse base=http://127.0.0.1:7655
  mkdir -p "$root/opt/pulse/bin"
  cp "$work/pulse-old" "$root/opt/pulse/bin/pulse"
  in_root chown -R pulse:pulse /opt/pulse
  printf '[Service]\nType=simple\nUser=pulse\nExecStart=/opt/pulse/bin/pulse\nRestart=always\nEnvironment=PULSE_DATA_DIR=/etc/pulse\n[Install]\nWantedBy=multi-user.target\n' \
    >"$root/etc/systemd/system/pulse.service"
  # shellcheck disable=SC2016 # as it stands in that file
  printf '#!/bin/bash\nbash -c "$(curl -fsSL https://raw.githubusercontent.com/community-scripts/ProxmoxVE/main/ct/pulse.sh)"\n' >"$root/usr/bin/update"
  in_root systemctl enable --now pulse
  at_work 4.9.0
  in_root bash -c "$(readme 'curl -fsSL https://github.com')"
  answers "$now"
  grep -q community-scripts "$root/usr/bin/update"
}
it "an installation by the community scripts is taken over, their update command stays" community
finish_story
