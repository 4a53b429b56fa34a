#!/usr/bin/env bash
# 7-Zip 26.01 (Debian bookworm, 7zip 22.01+really26.01+dfsg-0+deb12u1; p7zip-full is the same program) reads ext2 images, but no
# file in them that has a hole: its place is taken by an empty file. The same tree in an ext4 image, which records extents in
# place of a map of blocks, comes out whole.
#
# Expected: a hole reads as zeros, as it does with debugfs and the kernel, on ext2 as on ext4.
# Seen: of ext2, "Unsupported Method : first", the same of the holes in the middle and at the end, exit status 2, and three empty
# files beside the one without a hole. Of ext4, exit status 0 and four files whose bytes are right.
set -euo pipefail
version=22.01+really26.01+dfsg-0+deb12u1
e2fsprogs=1.47.0-2+b2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The packages with all that they need, unpacked and not installed.
mkdir -p "$folder/cache/archives/partial" "$folder/root"
: >"$folder/status"
apt-get -qq -y --no-install-recommends -o Dir::State::status="$folder/status" -o Dir::Cache="$folder/cache" \
  -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 install --download-only "7zip=$version" "e2fsprogs=$e2fsprogs" >/dev/null
for package in "$folder"/cache/archives/*.deb; do dpkg -x "$package" "$folder/root"; done
libraries=$(find "$folder/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
loader=$(find "$folder/root" -name 'ld-linux-*.so.*' | head -n 1)
unpacked() { local program=$1; shift; "$loader" --library-path "$libraries" "$folder/root/$program" "$@"; }
seven=usr/bin/7zz
unpacked "$seven" | head -n 2

# 1 MiB each: data and a hole, in either order, and a hole between.
mkdir "$folder/tree"
data() { head -c 65536 /dev/zero | tr '\0' "$1"; }
data x | cat - <(head -c 983040 /dev/zero | tr '\0' y) >"$folder/tree/dense"
for name in first middle last; do truncate -s 1M "$folder/tree/$name"; done
data a | dd of="$folder/tree/first" bs=65536 seek=15 conv=notrunc status=none
data b | dd of="$folder/tree/middle" bs=65536 seek=0 conv=notrunc status=none
data c | dd of="$folder/tree/middle" bs=65536 seek=15 conv=notrunc status=none
data d | dd of="$folder/tree/last" bs=65536 seek=0 conv=notrunc status=none

for type in ext2 ext4; do
  truncate -s 16M "$folder/$type"
  unpacked sbin/mke2fs -q -F -t "$type" -b 1024 -d "$folder/tree" "$folder/$type" 2>/dev/null
  unpacked "$seven" x -bso0 -o"$folder/out-$type" "$folder/$type" >"$folder/errors-$type" 2>&1 && status=0 || status=$?
  sizes=$(cd "$folder/out-$type" && stat -c '%n=%s' dense first middle last | paste -sd' ')
  echo "$type: exit status $status, $(grep -c 'Unsupported Method' "$folder/errors-$type" || true) times \"Unsupported Method\": $sizes"
  [ "$type" = ext2 ] && seen_ext2="$status $sizes" || seen_ext4="$status $sizes"
done
for name in dense first middle last; do cmp "$folder/tree/$name" "$folder/out-ext4/$name"; done
[ "$seen_ext2" = '2 dense=1048576 first=0 middle=0 last=0' ] && [ "$seen_ext4" = '0 dense=1048576 first=1048576 middle=1048576 last=1048576' ] ||
  { echo 'this 7-Zip is different'; exit 1; }
