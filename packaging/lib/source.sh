# shellcheck shell=bash
# Where releases come from and whether one may be trusted. Part of install.sh and of pulse-update: packaging/release
# copies it into both, so that each is one file.

repository=rcourtman/Pulse
release_server=${PULSE_UPDATE_SERVER:-https://api.github.com}
# Who signs and what for, as `ssh-keygen -Y` wants it said.
signer=releases@pulse
signed_as=pulse-release
most_bytes=$((64 << 20))

say() { printf '%s\n' "$*"; }
fail() { # fail WHAT [WHAT TO DO NEXT]
  printf 'pulse: %s\n' "$1" >&2
  [[ -z ${2:-} ]] || printf '       %s\n' "$2" >&2
  exit 1
}

need_root() {
  [[ $EUID -eq 0 ]] || fail "this needs root" "Run it again as root, for example with sudo."
}

# The processor as release files name it.
processor() {
  case $(uname -m) in
    x86_64) say amd64 ;;
    aarch64 | arm64) say arm64 ;;
    armv7l | armv8l) say armv7 ;;
    *) fail "there is no release for the processor $(uname -m)" "Build Pulse from its source: packaging/build-static." ;;
  esac
}

is_version() { [[ $1 =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]]; }

# fetch URL FILE [bar]: whole or not at all; with a progress bar when asked for on a terminal.
fetch() {
  local show=(--silent --show-error)
  [[ ${3:-} == bar && -t 2 ]] && show=(--progress-bar)
  rm -f "$2"
  curl --fail --location --max-redirs 5 --connect-timeout 15 --max-time 900 --retry 2 --max-filesize "$most_bytes" \
    "${show[@]}" --user-agent Pulse-Update --output "$2.part" "$1" && mv "$2.part" "$2"
}

# describe PATH FILE: what the release server says.
describe() {
  fetch "$release_server/repos/$repository/$1" "$2" ||
    fail "failed to ask $release_server for releases" \
      "Check this machine's network, or fetch the archive elsewhere and name the file (see 'pulse-update --help')."
}

first_tag() { grep -oE '"tag_name": *"[^"]*"' "$1" | head -n 1 | sed -E 's/.*"v?([^"]*)"$/\1/'; }

# newest_version CHANNEL DIR: the version of the channel's newest release.
newest_version() {
  local path=releases/latest version
  [[ $1 == rc ]] && path=releases
  describe "$path" "$2/newest.json"
  version=$(first_tag "$2/newest.json") || true
  is_version "$version" || fail "the release server named no release" "Try again later, or name one with --version."
  say "$version"
}

# asset FILE NAME: the address of a file of the release that FILE describes.
asset() {
  local url
  url=$(grep -oE '"browser_download_url": *"[^"]*"' "$1" | sed -E 's/.*"([^"]*)"$/\1/' | grep -F "/$2" |
    grep -E "/${2//./\\.}\$" | head -n 1) || true
  [[ $url =~ ^https?:// ]] || fail "the release has no file $2" "Report it; another release can be named with --version."
  say "$url"
}

archive_name() { say "pulse-v$1-linux-$(processor).tar.gz"; }

# download VERSION DIR SIGNERS: fetches the archive with its checksums and their signature, and verifies both.
download() {
  local version=$1 dir=$2 signers=$3 name file
  name=$(archive_name "$version")
  describe "releases/tags/v$version" "$dir/release.json"
  for file in checksums.txt checksums.txt.sshsig "$name"; do
    fetch "$(asset "$dir/release.json" "$file")" "$dir/$file" bar ||
      fail "failed to download $file" "Check the network and the free space of $dir, then try again."
    [[ $file != checksums.txt.sshsig ]] || verify_signature "$dir" "$signers"
  done
  verify_checksum "$dir" "$name"
}

verify_signature() { # verify_signature DIR SIGNERS
  command -v ssh-keygen >/dev/null || fail "ssh-keygen is missing" "Install it: apt-get install openssh-client"
  [[ -s $1/checksums.txt.sshsig ]] ||
    fail "there is no signature checksums.txt.sshsig" "Fetch it from the same release as the archive, into the same folder."
  ssh-keygen -Y verify -f "$2" -I "$signer" -n "$signed_as" -s "$1/checksums.txt.sshsig" <"$1/checksums.txt" >/dev/null 2>&1 ||
    fail "the signature of the release is wrong: nothing was changed" "Do not install it. Try again later; if it stays so, report it."
}

verify_checksum() { # verify_checksum DIR NAME
  local want have
  want=$(awk -v name="$2" '$2 == name || $2 == "*" name { print $1; exit }' "$1/checksums.txt")
  have=$(sha256sum "$1/$2" | cut -d ' ' -f 1)
  [[ -n $want && $want == "$have" ]] ||
    fail "the checksum of $2 is wrong: nothing was changed" "Fetch it again."
}

# take_local FILE DIR SIGNERS: the same trust for an archive that is already here, its checksums beside it.
# Sets `taken` to the version that its name says.
take_local() {
  local file=$1 dir=$2 signers=$3 beside name
  [[ -f $file ]] || fail "there is no file $file" "Name the archive pulse-vX.Y.Z-linux-$(processor).tar.gz."
  beside=$(dirname "$file") name=$(basename "$file")
  taken=${name#pulse-v} taken=${taken%-linux-*}
  [[ $name == "$(archive_name "$taken")" ]] ||
    fail "$name is not an archive for this machine" "Its name must be pulse-vX.Y.Z-linux-$(processor).tar.gz."
  is_version "$taken" || fail "the name $name holds no version" "Leave the archive's name as it was released."
  local needed
  for needed in checksums.txt checksums.txt.sshsig; do
    [[ -f $beside/$needed ]] || fail "there is no $needed beside $file" "Fetch it from the same release."
    cp "$beside/$needed" "$dir/"
  done
  verify_signature "$dir" "$signers"
  cp "$file" "$dir/" || fail "failed to copy $file to $dir" "Make room there and try again."
  verify_checksum "$dir" "$name"
}

# unpack VERSION DIR: the verified archive into DIR/new, and a first try of its program.
unpack() {
  local version=$1 dir=$2 said
  rm -rf "$dir/new"
  mkdir "$dir/new"
  tar -xzf "$dir/$(archive_name "$version")" --no-same-owner -C "$dir/new" ||
    fail "failed to unpack the release: nothing was changed" "Make room in $dir and try again."
  [[ $(cat "$dir/new/VERSION" 2>/dev/null) == "$version" ]] ||
    fail "the archive is not of version $version: nothing was changed" "Report it; another release can be named with --version."
  said=$(timeout 20 "$dir/new/bin/pulse" version 2>/dev/null) || true
  [[ $said == *"$version"* ]] ||
    fail "the program of the release does not start here: nothing was changed" "Report it with the output of 'uname -a'."
}
