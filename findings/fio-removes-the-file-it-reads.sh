#!/usr/bin/env bash
# fio 3.33 (Debian bookworm, 3.33-3): asked to read a file that is smaller than --size, and forbidden to make files with
# allow_file_create=0, it says so, ends with an error, and the file is gone. With --readonly beside it the file stays.
#
# Expected: a job that only reads, and may make no file, leaves the file that is there.
# Seen: "file creation disallowed by allow_file_create=0", exit status 1, and no such file afterwards.
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

head -c 1M /dev/urandom >"$folder/file"
# It ends with an error: what it leaves is what counts.
fio --name=job --filename="$folder/file" --rw=randread --bs=4k --size=2M --allow_file_create=0 >"$folder/output" 2>&1 && status=0 || status=$?
echo "exit status $status, the file is $([ -e "$folder/file" ] && echo there || echo gone)"
grep -q 'file creation disallowed' "$folder/output" && [ $status = 1 ] && [ ! -e "$folder/file" ] || { echo 'this fio is different'; exit 1; }
