#!/usr/bin/env bash
# fuse2fs 1.47.0 (Debian bookworm, e2fsprogs 1.47.0-2+b2) gives a file with two names (hard links) two caches in the kernel: what is
# written by one name is not seen by the other, although the file is opened anew and has one inode number.
#
# Expected: both names show the same bytes, as on the kernel's ext2.
# Seen: the second name, read once before the write, shows the old bytes three seconds after it; the image holds the new ones, which a
# new mount shows by both names.
set -euo pipefail
version=1.47.0-2+b2
folder=$(mktemp -d)
trap 'umount -q "$folder/mnt" || true; wait; rm -rf "$folder"' EXIT

# The packages with all that they need, unpacked and not installed.
mkdir -p "$folder/cache/archives/partial" "$folder/root" "$folder/mnt"
: >"$folder/status"
apt-get -qq -y --no-install-recommends -o Dir::State::status="$folder/status" -o Dir::Cache="$folder/cache" \
  -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 install --download-only "fuse2fs=$version" "e2fsprogs=$version" >/dev/null
for package in "$folder"/cache/archives/*.deb; do dpkg -x "$package" "$folder/root"; done
libraries=$(find "$folder/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
loader=$(find "$folder/root" -name 'ld-linux-*.so.*' | head -n 1)
unpacked() { local program=$1; shift; "$loader" --library-path "$libraries" "$folder/root/$program" "$@"; }

serve() {
  unpacked usr/bin/fuse2fs "$folder/image" "$folder/mnt" -f -o fakeroot >/dev/null 2>&1 &
  until mountpoint -q "$folder/mnt"; do kill -0 $! && sleep 0.1; done
}
end() { umount "$folder/mnt"; wait; }

truncate -s 16M "$folder/image"
unpacked sbin/mke2fs -q -F -t ext2 "$folder/image"
serve
echo before >"$folder/mnt/first"
ln "$folder/mnt/first" "$folder/mnt/second"
[ "$(stat -c '%i %h' "$folder/mnt/first")" = "$(stat -c '%i %h' "$folder/mnt/second")" ]
cat "$folder/mnt/second"
printf after_ | dd of="$folder/mnt/first" conv=notrunc status=none
sleep 3
read -r first <"$folder/mnt/first"
read -r second <"$folder/mnt/second"
echo "mounted: first says $first, second says $second"
[ "$first" = after_ ] && [ "$second" = before ]
end

serve
read -r anew <"$folder/mnt/second"
end
echo "mounted anew: second says $anew"
[ "$anew" = after_ ]
