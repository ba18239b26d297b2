# shellcheck shell=bash
# A Debian of one's own to install into: a root on tmpfs over this machine's /usr, with its own processes and network,
# a service manager and a release server. Part of each story in this folder; `run` starts them.
# shellcheck disable=SC2154 # `run` exports work, here and the versions
# shellcheck disable=SC2016 # README.md is searched for fences

story=$(basename "$0" .sh)
root=$work/$story/root
log=$work/$story/log
count=0 failures=0
base=http://127.0.0.1:7655

# it WHAT COMMAND …: one claim; its output is shown when it does not hold.
it() {
  local what=$1 code
  shift
  count=$((count + 1))
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1
  code=$?
  if ((code)); then
    failures=$((failures + 1))
    printf 'FAILED %s: %s\n' "$story" "$what"
    tail -n 25 "$log" | sed 's/^/    /'
    tail -n 5 "$root"/var/log/units/*.log 2>/dev/null | sed 's/^/    unit: /'
  else
    printf 'ok %s: %s\n' "$story" "$what"
  fi
}

finish_story() {
  printf '%s %s\n' "$count" "$failures" >"$work/$story.count"
}

make_root() {
  mkdir -p "$work/$story"
  mount --make-rprivate /
  mount -t tmpfs -o size=600m,mode=755 tmpfs "$work/$story"
  local over=$work/$story/over link
  mkdir -p "$root"/{usr,etc/systemd/system,proc,dev,run/lock,run/systemd/system,tmp,root,opt,var/log,var/backups,var/tmp,var/lib/dpkg,home} "$over"/{upper,work}
  for link in bin sbin lib lib64; do [[ ! -L /$link ]] || ln -s "usr/$link" "$root/$link"; done
  mount -t overlay overlay -o "lowerdir=/usr,upperdir=$over/upper,workdir=$over/work" "$root/usr"
  mount -t proc proc "$root/proc"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  local node
  for node in null zero full random urandom; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
  done
  ln -s /proc/self/fd "$root/dev/fd"
  chmod 1777 "$root/tmp" "$root/var/tmp"
  for node in nsswitch.conf ld.so.cache ld.so.conf ld.so.conf.d login.defs debian_version os-release alternatives pam.d security default ssl; do
    [[ ! -e /etc/$node ]] || cp -a "/etc/$node" "$root/etc/"
  done
  for node in passwd group shadow gshadow; do
    (umask 077 && grep -v '^pulse:' "/etc/$node" >"$root/etc/$node") || true
  done
  chmod 644 "$root"/etc/{passwd,group}
  printf '127.0.0.1 localhost api.github.com github.com\n' >"$root/etc/hosts"
  rm -rf "$root"/usr/bin/update "$root"/usr/bin/pulse* "$root"/usr/local/bin/{update,pulse*} "$root/usr/lib/pulse"
  touch "$root/var/lib/dpkg/status"
  cp "$here/units.py" "$root/usr/lib/units.py"
  rm -f "$root/usr/bin/systemctl"
  ln -s ../lib/units.py "$root/usr/bin/systemctl"
  cp "$work/ca.pem" "$root/etc/ssl/release-ca.pem"
  touch "$work/$story.order"
  "$here/releases.py" "$work/releases" "$work/$story.order" "$work/ca.pem" "$work/ca.key" >/dev/null 2>"$work/$story.server" &
  in_root /usr/lib/units.py daemon 2>"$work/$story.units" &
  local tries
  for ((tries = 0; tries < 200; tries++)); do
    if [[ -S $root/run/units.sock ]] && curl -sk --max-time 1 -o "$work/$story/probe" https://127.0.0.1/; then return; fi
    sleep 0.05
  done
  echo "the release server or the service manager does not start" >&2
  exit 1
}

in_root() {
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8 TERM=dumb \
    CURL_CA_BUNDLE=/etc/ssl/release-ca.pem PULSE_HEALTH_SECS=6 "${also[@]}" chroot "$root" "$@"
}
also=()

# readme WORDS: the first line of README.md's code that begins so, as it stands there.
readme() {
  sed -n '/^```bash/,/^```/p' "$here/../../README.md" | grep -m 1 -F -- "$1" | sed -E 's/ +# .*//'
}

# released TAG …: what the release server offers from now on, newest first.
released() { printf '%s\n' "$@" >"$work/$story.order"; }

version_at_work() { # says its own version, and is the installed program
  local pid
  pid=$(in_root systemctl show -p MainPID --value "${unit:-pulse}")
  [[ $root/proc/$pid/exe -ef $root/opt/pulse/bin/pulse ]] || return 1
  curl -fs --max-time 3 "$base/api/health" | grep -q '"healthy"' || return 1
  "$root/opt/pulse/bin/pulse" version | sed 's/^Pulse v//'
}

at_work() { # at_work VERSION: within a few seconds
  local found='' tries
  for ((tries = 0; tries < 120; tries++)); do
    found=$(version_at_work) || found=''
    [[ $found != "$1" ]] || return 0
    sleep 0.1
  done
  printf 'wanted %s at work, found %s\n' "$1" "${found:-nothing}"
  return 1
}

digest() { # what must never be lost: key, nodes, alerts, mail, webhooks
  digest_of "$root/etc/pulse"
}
digest_of() {
  local file
  for file in .encryption.key nodes.enc alerts.json webhooks.enc; do
    [[ ! -f $1/$file ]] || sha256sum <"$1/$file"
  done
}
none() { # none PATTERN FILE
  if grep -- "$1" "$2"; then return 1; fi
}

post() { # post PATH JSON
  curl -fsS --max-time 10 "${auth[@]}" -H 'Content-Type: application/json' -d "$2" "$base$1"
}
auth=()

fails_with() { # fails_with TEXT COMMAND …: refuses, says why and what to do
  local text=$1 out
  shift
  if out=$("$@" 2>&1); then
    printf 'did not fail:\n%s\n' "$out"
    return 1
  fi
  grep -qF -- "$text" <<<"$out" || {
    printf 'failed without saying "%s":\n%s\n' "$text" "$out"
    return 1
  }
}
