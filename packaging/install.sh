#!/usr/bin/env bash
# Installs Pulse on Debian or Ubuntu, or updates what is there (Pulse 4.x too); on a Proxmox VE host it makes a container.
set -euo pipefail

# Whose signature counts: written here by packaging/release.
SIGNERS=''

# shellcheck source-path=SCRIPTDIR source=lib/source.sh
. "$(dirname "$0")/lib/source.sh"

home=/opt/pulse
bin=$home/bin/pulse
lib=/usr/lib/pulse
units=/etc/systemd/system

usage() {
  cat <<'USAGE'
Usage: install.sh [OPTION …]

  --version X            this release instead of the newest
  --rc                   the newest release, candidates included
  --archive FILE         from a file, offline; checksums.txt and checksums.txt.sshsig lie beside it
  --enable-auto-updates  install releases each night as they appear
  --reset                start anew: the configuration is put aside in /var/backups
  --uninstall            remove the program; the configuration stays
  --purge                with --uninstall: remove the configuration too
  --here                 on a Proxmox VE host: install on the host itself, no container
USAGE
}

unit_name() {
  if [[ -e $units/pulse-backend.service && ! -e $units/pulse.service ]]; then say pulse-backend; else say pulse; fi
}

# What scripts need beyond a minimal Debian.
need_packages() {
  local missing=()
  command -v curl >/dev/null || missing+=(curl ca-certificates)
  command -v ssh-keygen >/dev/null || missing+=(openssh-client)
  ((${#missing[@]})) || return 0
  say "Installing ${missing[*]} …"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null ||
    fail "failed to install ${missing[*]}" "Install them yourself, then run this again."
}

need_debian() {
  if ! command -v apt-get >/dev/null || ! command -v systemctl >/dev/null; then
    fail "this needs Debian or Ubuntu with systemd" "Elsewhere run the static binary from the archive, or the container image."
  fi
  if dpkg-query -W -f '${Status}' pulse 2>/dev/null | grep -q 'ok installed'; then
    fail "Pulse is installed from a Debian package here" "Update it by installing the newer package."
  fi
}

# The release, verified, in $work/new.
obtain() {
  printf '%s\n' "$SIGNERS" >"$work/signers"
  [[ -n $SIGNERS ]] || fail "this copy of install.sh knows no signer" "Use the install.sh of a release; packaging/release makes it."
  if [[ -n $archive ]]; then
    take_local "$archive" "$work" "$work/signers"
    version=$taken
  else
    [[ -n $version ]] || version=$(newest_version "$channel" "$work")
    say "Fetching Pulse $version …"
    download "$version" "$work" "$work/signers"
  fi
  unpack "$version" "$work"
}

make_account() {
  getent passwd pulse >/dev/null ||
    useradd --system --user-group --home-dir $home --no-create-home --shell /usr/sbin/nologin pulse
}

own_data() {
  mkdir -p /etc/pulse
  chown -R pulse:pulse /etc/pulse
  chmod 700 /etc/pulse
  # The program is root's: who breaks into the service must not be able to change what root runs.
  mkdir -p $home/bin
  chown root:root $home $home/bin
  chmod 755 $home $home/bin
}

# The updater does everything else: it swaps, judges and undoes.
install_updater() {
  mkdir -p $lib
  install -m 755 "$work/new/scripts/pulse-update" $lib/pulse-update.new
  mv -fT $lib/pulse-update.new $lib/pulse-update
  install -m 644 "$work/signers" $lib/allowed_signers
  install -m 644 "$work/new/systemd/no-nesting.conf" $lib/no-nesting.conf
}

fresh() {
  local unit
  unit=$units/$(unit_name).service
  mkdir -p $home/bin $units
  install -m 755 "$work/new/bin/pulse" $bin.new
  mv -fT $bin.new $bin
  install -m 644 "$work/new/systemd/pulse.service" "$unit"
  systemctl daemon-reload
  systemctl enable --quiet "$(unit_name)"
}

auto_updates() {
  local file=/etc/pulse/system.json
  if grep -q '"autoUpdateEnabled"' $file 2>/dev/null; then
    sed -i -E 's/("autoUpdateEnabled": *)false/\1true/' $file
  else
    [[ ! -s $file ]] || fail "failed to switch automatic updates on in $file" "Switch them on under Settings on the page."
    printf '{\n  "autoUpdateEnabled": true\n}\n' >$file
  fi
  chown pulse:pulse $file
  chmod 600 $file
  systemctl enable --quiet --now pulse-update.timer
  say "Automatic updates are on: systemctl list-timers pulse-update"
}

reset() {
  local aside
  aside=/var/backups/pulse-$(date +%Y%m%d-%H%M%S)
  [[ -d /etc/pulse ]] || fail "there is no configuration in /etc/pulse" "There is nothing to reset."
  systemctl stop "$(unit_name)" 2>/dev/null || true
  mkdir -p "$(dirname "$aside")"
  mv /etc/pulse "$aside"
  mkdir -m 700 /etc/pulse
  chown pulse:pulse /etc/pulse
  systemctl start "$(unit_name)" || fail "the service does not start" "Look at: journalctl -u $(unit_name) -n 50"
  say "Pulse starts anew. The old configuration is in $aside."
}

uninstall() {
  local unit
  unit=$(unit_name)
  systemctl disable --quiet --now pulse-update.timer 2>/dev/null || true
  systemctl disable --quiet --now "$unit" 2>/dev/null || true
  rm -rf "$units/$unit.service" "$units/$unit.service.d" $units/pulse-update.service $units/pulse-update.timer
  systemctl daemon-reload
  for file in /usr/bin/update /usr/local/bin/update; do
    if [[ -f $file ]] && grep -q pulse-update $file; then rm -f $file; fi
  done
  rm -rf $home $lib /usr/local/bin/pulse /usr/bin/pulse-update /usr/local/share/man/man1/pulse.1.gz /root/.pulse \
    /usr/share/bash-completion/completions/pulse /usr/share/zsh/vendor-completions/_pulse /usr/share/fish/vendor_completions.d/pulse.fish
  if [[ $purge == yes ]]; then
    rm -rf /etc/pulse
    userdel pulse 2>/dev/null || true
    say "Pulse and its configuration are gone."
  else
    say "Pulse is gone. Its configuration stays in /etc/pulse; --uninstall --purge removes it too."
  fi
}

install_or_update() {
  need_packages
  obtain
  if [[ $here == no ]] && command -v pct >/dev/null && command -v pveversion >/dev/null; then
    # The archive is verified: the container gets exactly this one.
    PULSE_ARCHIVE=$work/$(archive_name "$version") bash "$work/new/lxc/pulse.sh"
    return
  fi
  need_debian
  local first=no
  [[ -x $bin ]] || first=yes
  make_account
  own_data
  install_updater
  if [[ $first == yes ]]; then fresh; fi
  # Also the first time: the updater starts the service, checks its health, brings links, manual and completions.
  $lib/pulse-update "$work/$(archive_name "$version")"
  systemctl enable --quiet "$(unit_name)"
  if [[ $auto == yes ]]; then auto_updates; fi
  say "Open http://$(hostname -I 2>/dev/null | awk '{ print $1 }'):$(cat /run/pulse/port 2>/dev/null || say 7655)"
}

main() {
  version='' channel=stable archive='' auto=no here=no purge=no
  local command=install_or_update
  while (($#)); do
    case $1 in
      --version)
        version=${2:-}
        version=${version#v}
        is_version "$version" || fail "--version needs a version" "Write it as: --version 5.0.1"
        shift
        ;;
      --archive)
        archive=$(realpath -e -- "${2:-}") || fail "there is no archive ${2:-}" "Name the file as it was released."
        shift
        ;;
      --rc) channel=rc ;;
      --enable-auto-updates) auto=yes ;;
      --reset) command=reset ;;
      --uninstall) command=uninstall ;;
      --purge) purge=yes ;;
      --here) here=yes ;;
      -h | --help)
        usage
        exit
        ;;
      *) fail "unknown option: $1" "See: install.sh --help" ;;
    esac
    shift
  done
  need_root
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  case $command in
    reset) reset ;;
    uninstall) uninstall ;;
    *) install_or_update ;;
  esac
}

main "$@"
exit
