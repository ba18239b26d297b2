#!/usr/bin/env bash
# kill -9 before every command of an update's decisive part and at samples of the rest, each followed by a power cut:
# a program that works is at work, the configuration is there, and the next update goes through.
# shellcheck disable=SC2154 # `run` exports what the stories share
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=root.sh
. "$here/root.sh"
make_root
released "v$next" "v$now"
in_root bash -s -- --version "$now" <"$work/releases/v$now/install.sh" >/dev/null
kept=$(sha256sum "$root/etc/pulse/.encryption.key")
mkdir "$root/tmp/stick"
cp "$work/releases/"{"v$next",v9.0.1}/pulse-v*.tar.gz "$root/tmp/stick/"
archive=/tmp/stick/$(basename "$root"/tmp/stick/pulse-v"$next"-*.tar.gz)
cp "$work/releases/v$next/"checksums.txt* "$root/tmp/stick/"

# stepped N ARCHIVE: an update that is killed before its Nth command; 0: only counts them. $0 says where it was.
stepped() {
  cat >"$root/tmp/stepped" <<'S'
step=0 last=$1
shift
trap '((++step != last)) || kill -9 $$; [[ $last != 0 ]] || printf "%s %s\n" "$step" "${FUNCNAME[0]:-main}" >>/tmp/steps' DEBUG
set -T
. /usr/lib/pulse/pulse-update "$@"
S
  in_root bash /tmp/stepped "$@"
}

# As before the story, without going through the updater.
from_the_start() {
  in_root systemctl stop pulse
  rm -rf "$root"/opt/pulse/{.update,.previous}
  cp "$work/start" "$root/opt/pulse/bin/pulse.new"
  mv "$root/opt/pulse/bin/pulse.new" "$root/opt/pulse/bin/pulse"
  printf '%s\n' "$now" >"$root/opt/pulse/VERSION"
  in_root systemctl start pulse
}
cp "$root/opt/pulse/bin/pulse" "$work/start"

# A power cut also takes what a killed update left running; here that ends by itself, and gives the lock back.
cut_power() {
  in_root flock -w 10 /run/lock/pulse-update.lock true
  in_root systemctl power-cut
}

answers() { # the service answers, whichever program it runs
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    if curl -fs --max-time 2 "$base/api/health" | grep -q '"healthy"'; then return 0; fi
    sleep 0.1
  done
  echo "nothing answers"
  return 1
}

killed() { # killed N: is what is left good?
  local code=0 found='' tries
  stepped "$1" "$archive" || code=$?
  ((code == 137))
  answers
  cut_power
  for ((tries = 0; tries < 100; tries++)); do
    if found=$(version_at_work); then break; fi
    sleep 0.1
  done
  printf 'after a kill before %s: %s\n' "$1" "$found"
  [[ $found == "$now" || $found == "$next" ]]
  # Only one that went through all of it may be the new one, and then everything says so.
  [[ $(cat "$root/opt/pulse/VERSION") == "$found" ]]
  [[ $(sha256sum "$root/etc/pulse/.encryption.key") == "$kept" ]]
}

counting() {
  stepped 0 "$archive"
  at_work "$next"
  from_the_start
}
it "an update is a row of commands" counting
steps=$(tail -n 1 "$root/tmp/steps" | cut -d ' ' -f 1)
decisive=$(awk '$2 ~ /^(swap|place|use_unit|undo|note_version|restart|restart_and_wait|try|apply|settle)$/ { print $1 }' "$root/tmp/steps")
printf 'an update is %s commands\n' "$steps"

sweep() { # sweep STEP …
  local step
  for step in "$@"; do
    printf 'killing before command %s (%s)\n' "$step" "$(awk -v n="$step" '$1 == n { print $2; exit }' "$root/tmp/steps")"
    killed "$step"
    from_the_start
  done
}
mapfile -t points < <({ awk '{ print $1 }' <<<"$decisive" | awk -v every="${EVERY:-5}" 'NR % every == 1'; seq 5 25 "$steps"; } | sort -nu)
it "kill -9 at ${#points[@]} of $steps commands, each time followed by a power cut" sweep "${points[@]}"

# The same with a release that does not start: whoever is killed while judging it must not leave it there.
broken() {
  cp "$work/releases/v9.0.1/"checksums.txt* "$root/tmp/stick/"
  archive=/tmp/stick/$(basename "$root"/tmp/stick/pulse-v9.0.1-*.tar.gz)
  rm "$root/tmp/steps"
  stepped 0 "$archive" && return 1
  at_work "$now"
  local points step
  mapfile -t points < <(awk '$2 ~ /^(swap|use_unit|undo|restart|restart_and_wait|try|finish|back_to_work|recover)$/ { print $1 }' "$root/tmp/steps" | awk 'NR % 5 == 1')
  for step in "${points[@]}"; do
    stepped "$step" "$archive" || true
    printf 'killed before command %s of a broken update\n' "$step"
    answers
    cut_power
    at_work "$now"
    from_the_start
  done
  printf '%s points\n' "${#points[@]}"
}
it "kill -9 in an update to a release that does not start" broken

after() {
  in_root update
  at_work "$next"
  [[ $(cat "$root/opt/pulse/VERSION") == "$next" ]]
}
stepped 60 "/tmp/stick/nothing" || true
it "the next update goes through" after
finish_story
