#!/usr/bin/env bash
# debugfs 1.47.0 (Debian bookworm, e2fsprogs 1.47.0-2+b2): `cat` and `dump` of a file that is stored in its inode (feature inline_data) give
# 60 bytes, the room that an inode has for them, if the file is shorter: zeros follow its contents. `stat` of the same debugfs knows the
# size.
#
# Expected: "Dump the contents of the inode filespec to stdout" (debugfs(8), of cat): as many bytes as the file has, as without inline_data.
# Seen: of files of 0, 3 and 59 bytes 60 each; of 60, 61 and 100 bytes, which the inode holds too, all, and no more.
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

lengths=(0 3 59 60 61 100)
mkdir tree
for length in "${lengths[@]}"; do head -c "$length" /dev/zero | tr '\0' y >"tree/$length"; done
for feature in inline_data ^inline_data; do
  rm -f image
  truncate -s 16M image
  unpacked mke2fs -q -F -t ext4 -O "$feature" -d tree image
  for length in "${lengths[@]}"; do
    size=$(unpacked debugfs -R "stat $length" image 2>/dev/null | sed -n '/^User:/s/.* Size: //p')
    unpacked debugfs -R "cat $length" image 2>/dev/null >cat
    unpacked debugfs -R "dump $length dump" image 2>/dev/null
    echo "$feature: size $size, cat $(stat -c %s cat), dump $(stat -c %s dump), of them $(tr -d '\0' <cat | wc -c) no zeros"
  done
done | tee output
diff - output <<'END' || { echo 'these are different'; exit 1; }
inline_data: size 0, cat 60, dump 60, of them 0 no zeros
inline_data: size 3, cat 60, dump 60, of them 3 no zeros
inline_data: size 59, cat 60, dump 60, of them 59 no zeros
inline_data: size 60, cat 60, dump 60, of them 60 no zeros
inline_data: size 61, cat 61, dump 61, of them 61 no zeros
inline_data: size 100, cat 100, dump 100, of them 100 no zeros
^inline_data: size 0, cat 0, dump 0, of them 0 no zeros
^inline_data: size 3, cat 3, dump 3, of them 3 no zeros
^inline_data: size 59, cat 59, dump 59, of them 59 no zeros
^inline_data: size 60, cat 60, dump 60, of them 60 no zeros
^inline_data: size 61, cat 61, dump 61, of them 61 no zeros
^inline_data: size 100, cat 100, dump 100, of them 100 no zeros
END
