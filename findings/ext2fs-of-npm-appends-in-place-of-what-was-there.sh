#!/usr/bin/env bash
# ext2fs 4.2.5 (npm: ext2fs@4.2.5, with file-disk@8.0.1): `appendFile` leaves nothing in the file but what it appends. The flags that a caller
# gives to `writeFile` and `createWriteStream` are those of "w" whatever they say: the file is emptied first. `open(path, 'a')` and a write
# to that append.
#
# Expected: "node-ext2fs has the exact same interface as node's fs module" (its README): appendFile "appends data to a file" (manual of
# node:fs), flags "a" too, and "r+" with a start leaves alone what is before and after it.
# Seen, each of a file with "0123456789" and of "ab": of the ten digits none is left, but by `open` all are.
set -euo pipefail
version=1.47.0-2+b2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund ext2fs@4.2.5 file-disk@8.0.1 >/dev/null

# The package with all that it needs, unpacked and not installed.
mkdir -p cache/archives/partial root
: >status
apt-get -qq -y --no-install-recommends -o Dir::State::status="$folder/status" -o Dir::Cache="$folder/cache" \
  -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 install --download-only "e2fsprogs=$version" >/dev/null
for package in cache/archives/*.deb; do dpkg -x "$package" root; done
libraries=$(find "$folder/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
loader=$(find "$folder/root" -name 'ld-linux-*.so.*' | head -n 1)
unpacked() { local program=$1; shift; "$loader" --library-path "$libraries" "$folder/root/$program" "$@"; }

names=(appendFile writeFile createWriteStream createWriteStream-r+ open)
mkdir tree
for name in "${names[@]}"; do printf 0123456789 >"tree/$name"; done
truncate -s 16M image
unpacked sbin/mke2fs -q -F -t ext4 -d tree image 2>/dev/null

cat >program.cjs <<'END'
const { finished } = require('node:stream/promises');
const { FileDisk, withOpenFile } = require('file-disk');
const { withMountedDisk } = require('ext2fs');

withOpenFile('image', 'r+', (image) =>
  withMountedDisk(new FileDisk(image), 0, async (fs) => {
    const byStream = async (path, options) => {
      const stream = fs.createWriteStream(path, options);
      stream.end('ab');
      await finished(stream);
    };
    await fs.promises.appendFile('/appendFile', 'ab');
    await fs.promises.writeFile('/writeFile', 'ab', { flag: 'a' });
    await byStream('/createWriteStream', { flags: 'a' });
    await byStream('/createWriteStream-r+', { flags: 'r+', start: 4 });
    const file = await fs.promises.open('/open', 'a');
    await file.write(Buffer.from('ab'), 0, 2, null);
    await file.close();
  }),
);
END
node program.cjs
for name in "${names[@]}"; do
  echo "$name: $(unpacked sbin/debugfs -R "cat /$name" image 2>/dev/null | tr '\0' .)"
done | tee output
diff - output <<'END' || { echo 'these are different'; exit 1; }
appendFile: ab
writeFile: ab
createWriteStream: ab
createWriteStream-r+: ....ab
open: 0123456789ab
END
