#!/usr/bin/env bash
# Installs what a Debian or Ubuntu machine lacks: `machine.sh guest` for `node-dax vm`, `machine.sh test` for every suite. Leaves
# what is installed already as it is. The workflows, the action and .ci/run all call it.

set -uo pipefail

cache="${XDG_CACHE_HOME:-$HOME/.cache}/node-dax"
is_ubuntu=$(grep -cE '^ID(_LIKE)?=.*ubuntu' /etc/os-release)

GUEST=(qemu-system-x86 busybox-static ndctl e2fsprogs xfsprogs util-linux xz-utils zstd)
TEST=("${GUEST[@]}" g++ make python3 binutils clang-format daxctl kmod cpio e2fsck-static attr acl bzip2 fio libpmem-dev libpmemlog-dev pmdk-tools
  chromium fonts-dejavu-core btrfs-progs f2fs-tools dosfstools exfatprogs ntfs-3g nilfs-tools jfsutils reiserfsprogs ocfs2-tools
  gfs2-utils udftools hfsutils squashfs-tools erofs-utils cryptsetup-bin bcache-tools fdisk parted dmsetup mdadm
  fuse3 fuse2fs git sqlite3 rsync stress-ng strace debootstrap)

# What runs the addon of the other architecture.
[ "$(dpkg --print-architecture)" != amd64 ] || TEST+=(g++-aarch64-linux-gnu qemu-user-static)

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# A workflow keeps the folder from one run to the next, where files that belong to root could not be replaced.
options=()
if [ -n "${GITHUB_ACTIONS:-}" ]; then
  mkdir -p "$cache/archives/partial"
  options=(-o Dir::Cache::Archives="$cache/archives")
fi

# apt_get COMMAND…: tries with the package lists as they are, then with new ones.
apt_get() {
  local get=(as_root env DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends "${options[@]}")
  "${get[@]}" "$@" || { as_root apt-get update && "${get[@]}" "$@"; }
}

install_packages() {
  local package missing=()
  for package; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>&1)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] || apt_get install "${missing[@]}"
}

# unpack FOLDER PACKAGE…
unpack() {
  local folder=$1 package
  shift
  mkdir -p "$folder" || return
  for package; do dpkg -x "$package" "$folder" || return; done
}

# The distribution's kernel, unpacked for the guest and not installed. Ubuntu keeps the modules in packages of their own.
fetch_kernel() {
  local folder="$cache/kernel" meta=linux-image-amd64 parts=(image) version packages download status get
  [ "$(dpkg --print-architecture)" = amd64 ] || return 0
  compgen -G "$folder/boot/vmlinuz-*" >/dev/null && return
  [ "$is_ubuntu" = 0 ] || { meta=linux-image-generic; parts=(image modules modules-extra); }
  apt-cache show $meta >/dev/null 2>&1 || as_root apt-get update
  version=$(apt-cache depends $meta | sed -n 's/^ *Depends: linux-image-//p' | head -n 1)
  [ -n "$version" ] || { echo "$meta depends on no kernel" >&2; return 1; }
  packages=("${parts[@]/%/-$version}")
  packages=("${packages[@]/#/linux-}")
  download=$(mktemp -d)
  # As this user, whose folder it is: as root, apt would download as a user of its own.
  get=(apt-get -o APT::Sandbox::User="$(id -un)" download "${packages[@]}")
  (cd "$download" && { "${get[@]}" || { as_root apt-get update && "${get[@]}"; }; }) && unpack "$folder" "$download"/*.deb
  status=$?
  rm -rf "$download"
  return $status
}

# The images that e2fsprogs tests itself with, from its source package.
fetch_images() {
  local folder="$cache/e2fsprogs" download options status
  [ -d "$folder/tests" ] && return
  download=$(mktemp -d)
  mkdir -p "$download/lists/partial" "$download/cache/archives/partial"
  # The archives that this machine knows, asked for sources.
  sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/*.sources >"$download/src.sources" 2>/dev/null
  sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$download/src.list" 2>/dev/null
  options=(-o Dir::Etc::SourceList="$download/src.list" -o Dir::Etc::SourceParts="$download" -o Dir::State::Lists="$download/lists"
    -o Dir::Cache="$download/cache" -o APT::Sandbox::User="$(id -un)")
  (cd "$download" && apt-get "${options[@]}" update && apt-get "${options[@]}" --download-only source e2fsprogs) &&
    mkdir -p "$folder" && tar -xf "$download"/e2fsprogs_*.orig.tar.gz -C "$folder" --strip-components=1 --wildcards '*/tests'
  status=$?
  rm -rf "$download"
  return $status
}

status=0
case ${1:-} in
  guest)
    install_packages "${GUEST[@]}" || status=1
    fetch_kernel || status=1
    ;;
  test)
    install_packages "${TEST[@]}" || status=1
    fetch_kernel || status=1
    fetch_images || status=1
    ;;
  *)
    echo 'usage: machine.sh guest|test' >&2
    status=2
    ;;
esac
exit $status
