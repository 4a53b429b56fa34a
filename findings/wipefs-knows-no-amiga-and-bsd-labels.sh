#!/usr/bin/env bash
# util-linux 2.38.1 (Debian bookworm, 2.38.1-5+deb12u3) beside parted 3.5 (3.5-3+deb12u1): wipefs, and so libblkid's probe for
# "is anything there?", finds nothing on a disk that parted has just given an Amiga or a BSD label.
#
# Expected: a line for the partition table, as for labels of sun, mac, sgi, dos and gpt.
# Seen: no output at all, exit status 0, for amiga and for bsd.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The package with all that it needs, unpacked and not installed.
mkdir -p "$folder/cache/archives/partial" "$folder/root"
: >"$folder/status"
apt-get -qq -y --no-install-recommends -o Dir::State::status="$folder/status" -o Dir::Cache="$folder/cache" \
  -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 install --download-only util-linux=2.38.1-5+deb12u3 parted=3.5-3+deb12u1 >/dev/null
for package in "$folder"/cache/archives/*.deb; do dpkg -x "$package" "$folder/root"; done
libraries=$(find "$folder/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
loader=$(find "$folder/root" -name 'ld-linux-*.so.*' | head -n 1)
wipefs() { "$loader" --library-path "$libraries" "$folder/root/sbin/wipefs" "$@"; }
parted() { "$loader" --library-path "$libraries" "$folder/root/sbin/parted" "$@"; }
wipefs --version
parted --version | head -n 1


found=
for label in amiga bsd sun mac gpt; do
  rm -f "$folder/disk"
  truncate -s 16M "$folder/disk"
  parted -s "$folder/disk" mklabel "$label"
  lines=$(wipefs -n "$folder/disk" | wc -l)
  echo "$label: $lines lines"
  [ "$lines" = 0 ] || found="$found $label"
done
[ "$found" = ' sun mac gpt' ] || { echo 'these are different'; exit 1; }
