#!/usr/bin/env bash
# ext2fs 4.2.5 (npm: ext2fs@4.2.5, libext2fs as WebAssembly, with file-disk@8.0.1): positions in a file are taken modulo 4 GiB, in reads
# and in writes. Its `stat` knows the size of such a file.
#
# Expected: "node-ext2fs has the exact same interface as node's fs module" (its README), where a position is "an integer or bigint";
# debugfs 1.47.0 (Debian bookworm, e2fsprogs 1.47.0-2+b2) shows what is where.
# Seen: of a file of 4 GiB and a block the head is read at 4 GiB, and what is written there replaces the head. No error: as many bytes
# are told as were asked for. At 4 GiB - 4 both are right.
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

# A file with a hole between its first block, its last block before 4 GiB and the one after that.
mkdir tree
truncate -s $((4 * 1024 * 1024 * 1024 + 4096)) tree/big
put() { printf %s "$1" | dd of=tree/big bs=4 seek="$2" conv=notrunc status=none; }
put head 0
put last $((1024 * 1024 * 1024 - 1))
put tail $((1024 * 1024 * 1024))
truncate -s 64M image
unpacked sbin/mke2fs -q -F -t ext4 -b 4096 -d tree image 2>/dev/null

cat >program.cjs <<'END'
const { FileDisk, withOpenFile } = require('file-disk');
const { withMountedDisk } = require('ext2fs');

const FOUR_GIB = 2 ** 32;
withOpenFile('image', 'r+', (image) =>
  withMountedDisk(new FileDisk(image), 0, async ({ promises: fs }) => {
    const file = await fs.open('/big', 'r+');
    console.log('size:', (await file.stat()).size);
    const bytes = Buffer.alloc(4);
    for (const [position, text] of [[FOUR_GIB - 4, 'LAST'], [FOUR_GIB, 'TAIL']]) {
      const { bytesRead } = await file.read(bytes, 0, 4, position);
      const { bytesWritten } = await file.write(Buffer.from(text), 0, 4, position);
      console.log(`at ${position}: ${bytesRead} bytes read, ${bytes}; ${bytesWritten} bytes written, ${text}`);
    }
    await file.close();
  }),
);
END
node program.cjs | tee output

# in_block NUMBER: the word in that block of the file, by debugfs.
in_block() { unpacked sbin/debugfs -R "block_dump -f /big $1" image 2>/dev/null | grep -oiE 'head|last|tail'; }
echo "by debugfs: $(in_block 0) at the head, $(in_block 1048575) before 4 GiB, $(in_block 1048576) at 4 GiB" | tee -a output
diff - output <<'END' || { echo 'these are different'; exit 1; }
size: 4294971392
at 4294967292: 4 bytes read, last; 4 bytes written, LAST
at 4294967296: 4 bytes read, head; 4 bytes written, TAIL
by debugfs: TAIL at the head, LAST before 4 GiB, tail at 4 GiB
END
