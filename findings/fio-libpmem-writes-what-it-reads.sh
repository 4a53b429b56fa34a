#!/usr/bin/env bash
# fio 3.33 (Debian bookworm, 3.33-3): its engine libpmem writes in a job that only reads: a file whose size is not --size is
# cut to that, and filled anew. --readonly keeps it from the filling, with an error, and not from the cutting.
#
# Expected: --rw=randread changes no byte, with --readonly at the latest.
# Seen, of a file of 4 MiB and --size=2M: 2 MiB of other bytes afterwards; with --readonly the first 2 MiB of what it was. The exit status
# is 1 here, where the file is on no persistent memory.
set -euo pipefail
version=3.33-3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The package with all that it needs, unpacked and not installed.
mkdir -p "$folder/cache/archives/partial" "$folder/root"
: >"$folder/status"
apt-get -qq -y --no-install-recommends -o Dir::State::status="$folder/status" -o Dir::Cache="$folder/cache" \
  -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 install --download-only "fio=$version" >/dev/null
for package in "$folder"/cache/archives/*.deb; do dpkg -x "$package" "$folder/root"; done
libraries=$(find "$folder/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
loader=$(find "$folder/root" -name 'ld-linux-*.so.*' | head -n 1)
fio() { "$loader" --library-path "$libraries" "$folder/root/usr/bin/fio" "$@"; }
fio --version


seen=
for flags in '' --readonly; do
  head -c 4M /dev/urandom >"$folder/file"
  head -c 2M "$folder/file" >"$folder/before"
  # shellcheck disable=SC2086
  fio --name=job --filename="$folder/file" --ioengine=libpmem --rw=randread --bs=4k --size=2M $flags >"$folder/output" 2>&1 && status=0 || status=$?
  size=$(stat -c %s "$folder/file")
  same=$(cmp -s "$folder/file" "$folder/before" && echo same || echo other)
  echo "${flags:-without flags}: exit status $status, $size bytes, which are $same"
  seen="$seen$size $same;"
done
[ "$seen" = '2097152 other;2097152 same;' ] || { echo 'this fio is different'; exit 1; }
