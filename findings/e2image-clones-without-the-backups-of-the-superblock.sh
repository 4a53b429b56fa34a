#!/usr/bin/env bash
# e2image 1.47.0 (Debian bookworm, e2fsprogs 1.47.0-2+b2), `-r -a`: the copy has zeros where the backups of the superblock and of the group
# descriptors are. No message, exit status 0, and e2fsck finds nothing to mend in it, until it needs a backup. The same of `-Q -a`.
#
# Expected: with -a "an image that is suitable to use to clone the entire FS or for backup purposes", with -r "all and only the used blocks"
# (e2image(8)): one that can be mended from a backup as the original can, by `e2fsck -b` or by e2fsck itself.
# Seen: of the original e2fsck takes the backups in blocks 8193 and 24577; of the copy none, "Bad magic number in super-block".
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

mkdir tree
head -c 1000000 /dev/zero | tr '\0' y >tree/file
for type in ext2 ext4; do
  rm -f original copy
  truncate -s 64M original
  unpacked mke2fs -q -F -t "$type" -b 1024 -d tree original
  unpacked e2image -r -a original copy 2>/dev/null
  for image in original copy; do
    unpacked e2fsck -fn "$image" >errors 2>&1 && checked=0 || checked=$?
    seen="$type, $image: e2fsck $checked, file $(unpacked debugfs -R 'cat file' "$image" 2>/dev/null | cmp -s - tree/file && echo same || echo other)"
    for block in 8193 24577; do
      unpacked e2fsck -fn -b $block -B 1024 "$image" >errors 2>&1 || true
      seen="$seen; backup in $block: $(grep -o 'Bad magic number in super-block' errors || echo taken)"
    done
    echo "$seen"
  done
done | tee output
diff - output <<'END' || { echo 'these are different'; exit 1; }
ext2, original: e2fsck 0, file same; backup in 8193: taken; backup in 24577: taken
ext2, copy: e2fsck 0, file same; backup in 8193: Bad magic number in super-block; backup in 24577: Bad magic number in super-block
ext4, original: e2fsck 0, file same; backup in 8193: taken; backup in 24577: taken
ext4, copy: e2fsck 0, file same; backup in 8193: Bad magic number in super-block; backup in 24577: Bad magic number in super-block
END
