#!/usr/bin/env bash
# Deno 2.9.6 (npm: deno@2.9.6), node:fs: `writeSync(fd, string, position)` takes no notice of the position and writes where the file
# stands, so that it leaves alone what it should replace, or replaces what it should leave alone. No error. With a callback, from a
# FileHandle, and of a Buffer, the position is used.
#
# Expected: all four write at the position, as Node.js 20 to 26 and Bun 1.4.5 do.
# Seen: `ab` at 2 of 0123456789 makes 0123456789ab by writeSync of a string, 01ab456789 by the others.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund deno@2.9.6 >/dev/null
deno=node_modules/.bin/deno
"$deno" --version | head -n 1
cat >program.mjs <<'END'
import fs from 'node:fs';

async function told(how, write) {
  const fd = fs.openSync('file', 'w+');
  fs.writeSync(fd, '0123456789');
  await write(fd);
  fs.closeSync(fd);
  console.log(`${how}:`, fs.readFileSync('file', 'utf8'));
}
await told('writeSync of a string', (fd) => fs.writeSync(fd, 'ab', 2));
await told('writeSync of a Buffer', (fd) => fs.writeSync(fd, Buffer.from('ab'), 0, 2, 2));
await told('write of a string', (fd) => new Promise((resolve) => fs.write(fd, 'ab', 2, resolve)));
const handle = await fs.promises.open('file', 'w+');
await handle.write('0123456789');
await handle.write('ab', 2);
await handle.close();
console.log('FileHandle:', fs.readFileSync('file', 'utf8'));
END
"$deno" run -A program.mjs | tee output
diff - output <<'END' || { echo 'these are different'; exit 1; }
writeSync of a string: 0123456789ab
writeSync of a Buffer: 01ab456789
write of a string: 01ab456789
FileHandle: 01ab456789
END
