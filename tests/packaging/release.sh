#!/usr/bin/env bash
# What a release is made of, judged with the tools that its users have.
# shellcheck disable=SC2154 # `run` exports what the stories share
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=root.sh
. "$here/root.sh"
make_root
files=$work/releases/v$now
archive=$(echo "$files"/pulse-v*.tar.gz)
package=$(echo "$files"/pulse_*.deb)

same_bytes() {
  local arch=${archive##*-linux-} copy=$work/$story/elsewhere
  mkdir "$copy"
  tar -C "$here/../.." -cf - packaging lxc Cargo.toml Cargo.lock LICENSE CHANGELOG.md src assets build.rs | tar -C "$copy" -xf -
  (umask 077 && cd "$copy" && mkdir -p tests/it benches && touch tests/it/main.rs benches/history.rs &&
    TZ=Asia/Tokyo LANG=C PULSE_RELEASE_KEY=$work/key SOURCE_DATE_EPOCH=1700000000 packaging/release --version "$now" \
      --binary "${arch%.tar.gz}=$binary" --out "$work/$story/second")
  diff -r "$files" "$work/$story/second"
}
it "built twice, in two places, under other settings: the same bytes" same_bytes

verifies() {
  printf 'releases@pulse %s\n' "$(cut -d ' ' -f 1,2 "$work/key.pub")" >"$work/$story/signers"
  (cd "$files" && sha256sum --check --strict checksums.txt)
  ssh-keygen -Y verify -f "$work/$story/signers" -I releases@pulse -n pulse-release -s "$files/checksums.txt.sshsig" <"$files/checksums.txt"
  if sed 's/0/1/' "$files/checksums.txt" | ssh-keygen -Y verify -f "$work/$story/signers" -I releases@pulse -n pulse-release -s "$files/checksums.txt.sshsig"; then return 1; fi
  [[ $(wc -l <"$files/checksums.txt") == $(($(find "$files" -type f | wc -l) - 2)) ]]
}
it "every file is in checksums.txt, whose signature verifies with stock ssh-keygen" verifies

small() {
  local bytes program
  bytes=$(stat -c %s "$archive") program=$(stat -c %s "$binary")
  echo "archive: $bytes bytes, program: $program"
  ((bytes < 3000000))
}
it "the archive is small: $(stat -c %s "$archive") bytes" small

contents() {
  local listed
  listed=$(tar -tzf "$archive")
  for file in bin/pulse VERSION LICENSE systemd/pulse.service scripts/install.sh scripts/pulse-update scripts/allowed_signers lxc/pulse.sh man/pulse.1.gz; do
    grep -qx "./$file" <<<"$listed" || { echo "$file is missing" && return 1; }
  done
  [[ $(tar -xzOf "$archive" ./VERSION) == "$now" ]]
}
it "the archive has the community's layout" contents

scripts_whole() {
  local file
  mkdir "$work/$story/unpacked"
  tar -xzf "$archive" -C "$work/$story/unpacked"
  for file in "$files/install.sh" "$work/$story/unpacked"/{scripts/install.sh,scripts/pulse-update,lxc/pulse.sh}; do shellcheck "$file"; done
}
it "the scripts pass shellcheck as they are released" scripts_whole

parts() {
  local file
  file=$(echo "$files"/*.cdx.json)
  jq -e '.bomFormat == "CycloneDX" and (.components | length) > 30 and ([.components[] | select(.name == "rustls")] | length) == 1' "$file"
  jq -e '[.components[] | select(has("licenses") | not)] == []' "$file"
  jq -e '[.components[] | select(has("hashes") | not)] == []' "$file"
}
it "the list of parts names each crate with licence and hash" parts

debian() {
  local dir=$work/$story/deb
  lintian --allow-root --fail-on error "$package"
  dpkg-deb -x "$package" "$dir"
  [[ $(dpkg-deb -f "$package" Version) == "$now-1" ]]
  grep -q 'ExecStart=/usr/bin/pulse serve' "$dir/lib/systemd/system/pulse.service"
  none opt/pulse "$dir/lib/systemd/system/pulse.service"
  [[ $("$dir/usr/bin/pulse" version) == "Pulse v$now" ]]
}
it "the Debian package passes lintian" debian

unit() {
  mkdir -p "$root/opt/pulse/bin" "$root/usr/lib/pulse" "$root/bin"
  cp "$here"/../../packaging/systemd/* "$root/etc/systemd/system/"
  cp "$binary" "$root/opt/pulse/bin/pulse"
  cp "$work/$story/unpacked/scripts/pulse-update" "$root/usr/lib/pulse/pulse-update"
  local said
  said=$(in_root systemd-analyze verify --man=no /etc/systemd/system/pulse.service /etc/systemd/system/pulse-update.service /etc/systemd/system/pulse-update.timer 2>&1) || { echo "$said" && return 1; }
  if grep -E 'pulse[a-z-]*\.(service|timer)' <<<"$said"; then return 1; fi
}
it "systemd-analyze verify has nothing to say of the units" unit

exposure() {
  local said
  said=$(systemd-analyze security --offline=true --threshold=25 --no-pager "$here/../../packaging/systemd/pulse.service")
  tail -n 1 <<<"$said"
}
it "systemd-analyze security: exposure below 2.5" exposure

manual() {
  [[ $(man --warnings -l "$work/$story/unpacked/man/pulse.1.gz" 2>&1 >"$work/$story/manual" | wc -l) == 0 ]]
  local word
  for word in serve health status config hash-password version --json PULSE_DATA_DIR; do grep -q -- "$word" "$work/$story/manual"; done
}
it "the manual reads well and names every command" manual

completions() {
  bash -c '. "$1"; COMP_WORDS=(pulse st) COMP_CWORD=1; _pulse; [[ ${COMPREPLY[*]} == status ]]
    COMP_WORDS=(pulse status --j) COMP_CWORD=2; _pulse; [[ ${COMPREPLY[*]} == --json ]]
    COMP_WORDS=(pulse config ex) COMP_CWORD=2; _pulse; [[ ${COMPREPLY[*]} == export ]]' - "$here/../../packaging/completions/pulse.bash"
  local word shell
  for word in $("$binary" help | sed -nE 's/^  ([a-z-]+).*/\1/p' | sort -u); do
    for shell in pulse.bash _pulse pulse.fish; do grep -q -- "$word" "$here/../../packaging/completions/$shell" || { echo "$shell lacks $word" && return 1; }; done
  done
  if command -v zsh >/dev/null; then zsh -n "$here/../../packaging/completions/_pulse"; fi
  if command -v fish >/dev/null; then fish --no-execute "$here/../../packaging/completions/pulse.fish"; fi
}
it "completions offer every command" completions

# The image, taken apart: its folders as a root of their own, its user, its variables, its command.
image() {
  local context=$work/$story/context file pid tries
  file=$here/../../packaging/docker/Dockerfile
  "$here/../../packaging/docker/build" --context "$context" "$archive"
  grep -qx 'FROM scratch' "$file" && grep -qx 'USER 1000:1000' "$file" && grep -q 'CMD \["/pulse", "health"\]' "$file"
  local box=$work/$story/box
  mkdir "$box"
  cp -r "$context"/*/program/. "$context"/*/data/. "$box/"
  chown -R 1000:1000 "$box/data" "$box/tmp"
  chown root "$box" "$box/pulse"
  local inside=(env -i PATH=/usr/sbin:/usr/bin PULSE_DATA_DIR=/data PULSE_DOCKER=true DISCOVERY_ENABLED=false
    PULSE_UPDATE_SERVER=http://127.0.0.1:9 chroot --userspec=1000:1000 "$box")
  "${inside[@]}" /pulse serve 2>"$work/$story/image.log" &
  pid=$!
  for ((tries = 0; tries < 50; tries++)); do
    if "${inside[@]}" /pulse health; then break; fi
    sleep 0.1
  done
  "${inside[@]}" /pulse health
  [[ $(stat -c '%u %a' "$box/data/.encryption.key") == "1000 600" ]]
  curl -fsS "$base/api/version" | jq -e '.isDocker == true'
  kill "$pid"
  wait "$pid"
}
it "the image's content runs in an empty root as nobody in particular" image

# The line in the README and the compose file ask for what the image has.
asked() {
  local line
  line=$(readme 'docker run')
  [[ $line == *"-p 7655:7655"* && $line == *"-v pulse-data:/data"* && $line == *rcourtman/pulse:latest ]]
  grep -q 'image: rcourtman/pulse:latest' "$here/../../packaging/docker/compose.yaml"
  grep -q 'pulse-data:/data' "$here/../../packaging/docker/compose.yaml"
  grep -qx 'EXPOSE 7655' "$here/../../packaging/docker/Dockerfile"
  grep -qx 'VOLUME /data' "$here/../../packaging/docker/Dockerfile"
}
it "the README's line and the compose file fit the image" asked

nagios() {
  local pid code=0
  PULSE_DATA_DIR=$work/$story/status DISABLE_AUTH=true DISCOVERY_ENABLED=false PORT=7700 "$binary" serve 2>"$work/$story/status.log" &
  pid=$!
  for _ in $(seq 50); do PORT=7700 "$binary" health && break; sleep 0.1; done
  [[ $(PORT=7700 "$binary" status) == "PULSE OK - "* ]]
  PORT=7700 "$binary" status --json | jq -e '.status == "OK" and .figures.nodes == 0'
  kill "$pid"
  wait "$pid"
  PORT=7700 "$binary" status || code=$?
  ((code == 3))
  code=0
  "$binary" status --warn many || code=$?
  ((code == 2 || code == 3))
}
it "pulse status speaks as a Nagios plugin" nagios
finish_story
