// node-dax/fs stands on a contract, not on ext2: the tutorial's filesystem runs under it.

import { pipeline } from 'node:stream/promises';
import t from 'tap';
import { openSync } from 'node-dax';
import { createFs } from 'node-dax/fs';
import { TinyFs } from '../../docs/examples/tiny-fs.js';
import { scratchPath } from '../helpers/devices.js';
import { FlatFilesystem } from '../helpers/flat-filesystem.js';

t.test("the tutorial's filesystem in the shape of node:fs", async (t) => {
  using device = openSync(scratchPath(t), { size: 4 * 1024 * 1024 });
  TinyFs.mkfs(device);
  const tiny = TinyFs.mount(device);
  const flat = new FlatFilesystem(tiny);
  const fs = createFs(flat);
  t.equal(fs.existsSync('/hello'), false);
  fs.writeFileSync('/hello', 'one');
  fs.appendFileSync('/hello', ' two');
  t.equal(fs.readFileSync('/hello', 'utf8'), 'one two');
  await fs.promises.writeFile('/long', Buffer.alloc(100_000, 'x'));
  await pipeline(fs.createReadStream('/long'), fs.createWriteStream('/copy'));
  t.ok(fs.readFileSync('/copy').equals(Buffer.alloc(100_000, 'x')));
  t.strictSame(fs.readdirSync('/').sort(), ['copy', 'hello', 'long']);
  t.match(fs.statSync('/long'), { size: 100_000, mode: 0o100644 });
  t.equal(fs.statSync('/').isDirectory(), true);
  t.equal(fs.statSync('/long', { bigint: true }).size, 100_000n);
  fs.truncateSync('/long', 5);
  t.equal(fs.statSync('/long').size, 5);
  fs.unlinkSync('/copy');
  t.throws(() => fs.readFileSync('/copy'), { code: 'ENOENT', syscall: 'open', path: '/copy' });
  t.throws(() => { fs.mkdirSync('/dir'); }, { code: 'EPERM', syscall: 'mkdir', path: '/dir' });
  t.equal(fs.statfsSync('/').type, 0x54696e79);
  const fd = fs.openSync('/', 'r');
  t.equal(flat.held, 1, 'a directory that is open is held');
  fs.closeSync(fd);
  t.equal(flat.held, 0);
  const file = fs.openSync('/hello', 'r+');
  fs.fsyncSync(file);
  fs.closeSync(file);
  const again = createFs(new FlatFilesystem(TinyFs.mount(device)));
  t.equal(again.readFileSync('/hello', 'utf8'), 'one two', 'after a mount too');
});
