#!/usr/bin/env bash
# mke2fs 1.47.0 (Debian bookworm, e2fsprogs 1.47.0-2+b2), `-d DIRECTORY` with the feature inline_data: a file whose end is a hole loses it.
# The file in the filesystem ends with the block of its last data. No error, exit status 0, and e2fsck finds nothing to mend.
#
# Expected: "Copy the contents of the given directory or tarball into the root directory of the filesystem" (mke2fs(8)), with sizes and
# contents, as it does without inline_data.
# Seen: files of 1 MiB of which the first 3 bytes and the first 100,000 are data have 4096 and 102400 bytes; one whose hole is at the
# start, and dense ones, are whole. With ^inline_data all are.
set -euo pipefail
version=1.47.0-2+b2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# The package with all that it needs, unpacked and not installed.
mkdir -p cache/archives/partial root
: >status
apt-get -qq -y --no-install-recommends -o Dir::State::status="$folder/status" -o Dir::Cache="$folder/cache" \
  -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 install --download-only "e2fsprogs=$version" >/dev/null
for package in cache/archives/*.deb; do dpkg -x "$package" root; done
libraries=$(find "$folder/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
loader=$(find "$folder/root" -name 'ld-linux-*.so.*' | head -n 1)
unpacked() { local program=$1; shift; "$loader" --library-path "$libraries" "$folder/root/sbin/$program" "$@"; }
export MKE2FS_CONFIG=$folder/root/etc/mke2fs.conf
unpacked mke2fs -V 2>&1 | sed -n 1p

# dense NAME BYTES: the file NAME is so many bytes of data.
dense() { head -c "$2" /dev/zero | tr '\0' y >"tree/$1"; }
mkdir tree
dense dense 100000
dense few 3
dense hole-after-3 3
dense hole-after-100000 100000
truncate -s 1M tree/hole-after-3 tree/hole-after-100000 tree/hole-before
printf abc | dd of=tree/hole-before bs=1 seek=1048573 conv=notrunc status=none

for feature in inline_data ^inline_data; do
  rm -f image
  truncate -s 16M image
  unpacked mke2fs -q -F -t ext4 -b 4096 -O "$feature" -d tree image
  for name in dense few hole-after-100000 hole-after-3 hole-before; do
    size=$(unpacked debugfs -R "stat $name" image 2>/dev/null | sed -n '/^User:/s/.* Size: //p')
    echo "$feature: $name has $size of $(stat -c %s "tree/$name") bytes"
  done
  unpacked e2fsck -fn image >errors 2>&1 || echo "$feature: e2fsck finds errors"
done | tee output
diff - output <<'END' || { echo 'these are different'; exit 1; }
inline_data: dense has 100000 of 100000 bytes
inline_data: few has 3 of 3 bytes
inline_data: hole-after-100000 has 102400 of 1048576 bytes
inline_data: hole-after-3 has 4096 of 1048576 bytes
inline_data: hole-before has 1048576 of 1048576 bytes
^inline_data: dense has 100000 of 100000 bytes
^inline_data: few has 3 of 3 bytes
^inline_data: hole-after-100000 has 1048576 of 1048576 bytes
^inline_data: hole-after-3 has 1048576 of 1048576 bytes
^inline_data: hole-before has 1048576 of 1048576 bytes
END
