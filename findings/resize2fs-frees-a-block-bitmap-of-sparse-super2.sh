#!/usr/bin/env bash
# resize2fs 1.47.0 (Debian bookworm, e2fsprogs 1.47.0-2+b2) grows an ext2 or ext3 filesystem with the feature sparse_super2 (two backups of the
# superblock, the second in the last group), says that all is well, and leaves the block bitmap of what was the last group marked as free:
# the next file that is written may take its block.
#
# Expected: a filesystem in which e2fsck finds nothing, as after the same with sparse_super; mke2fs takes sparse_super2 for both.
# Seen: exit status 0 of resize2fs, then "Block bitmap differences:  +98563" and exit status 4 of e2fsck. dumpe2fs says that the block
# bitmap of group 12 is in block 98563, debugfs that block 98563 is not in use.
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

for feature in sparse_super sparse_super2; do
  for type in ext2 ext3; do
    rm -f image
    truncate -s 100M image
    unpacked mke2fs -q -F -t "$type" -b 1024 -O "$feature" image
    unpacked e2fsck -fn image >errors 2>&1 || echo "$type with $feature: errors before"
    unpacked resize2fs image 300M >said 2>&1 && resized=0 || resized=$?
    unpacked e2fsck -fn image >errors 2>&1 && checked=0 || checked=$?
    echo "$type with $feature: resize2fs $resized, e2fsck $checked, $(grep differences errors || echo 'no differences')"
  done
done | tee output
unpacked dumpe2fs image 2>/dev/null | grep -A 1 '^Group 12:' | tail -n 1 | tee -a output
unpacked debugfs -R 'testb 98563' image 2>/dev/null | tee -a output
diff - output <<'END' || { echo 'these are different'; exit 1; }
ext2 with sparse_super: resize2fs 0, e2fsck 0, no differences
ext3 with sparse_super: resize2fs 0, e2fsck 0, no differences
ext2 with sparse_super2: resize2fs 0, e2fsck 4, Block bitmap differences:  +98563
ext3 with sparse_super2: resize2fs 0, e2fsck 4, Block bitmap differences:  +98563
  Block bitmap at 98563 (+258)
Block 98563 not in use
END
