// Names of a famfs whose log has more entries than memory is made for at first, and entries of every sort as they are kept.

import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openSync } from 'node-dax';
import { mkfsFamfs, mountFamfs } from 'node-dax/famfs';
import { entryBytes, FILE, INTERLEAVED, MKDIR, SIMPLE, type FileEntry } from '../../lib/famfs/format/entry.js';
import { counterBytes, COUNTERS, positionOf } from '../../lib/famfs/format/log-header.js';
import { LOG_OFFSET, UNIT } from '../../lib/famfs/format/superblock.js';
import { folderFor, MIB, systemUuidFile } from '../helpers/famfs-image.js';

const OWNER = { uid: 7, gid: 9 };
const LOG = 16 * MIB;
const IN_ONE = 100;
const ENTRIES = 20_000;
const FIRST = (LOG_OFFSET + LOG) / UNIT;

// Entry `index` is the directory `dN`, or one of 99 in it.
const pathAt = (index: number) => (index % IN_ONE === 0 ? `d${index}` : `d${index - (index % IN_ONE)}/${index}`);

function fileAt(path: string, units: readonly number[], isStriped: boolean): FileEntry {
  const extents = units.map((unit) => ({ device: 0, offset: (FIRST + unit) * UNIT, length: UNIT }));
  const layout = isStriped ? { extentType: INTERLEAVED, count: 1, chunk: UNIT, stripCount: units.length } : { extentType: SIMPLE, count: units.length, chunk: 0, stripCount: 0 };
  return { type: FILE, ...OWNER, mode: 0o640, path, size: units.length * UNIT - 5, flags: 2, ...layout, extents };
}

t.test('a name is found after any number of entries that make none', (test) => {
  const path = join(folderFor(test), 'memory');
  const host = { systemUuidFile: systemUuidFile(test) };
  writeFileSync(path, '');
  truncateSync(path, LOG_OFFSET + 2 * LOG + UNIT);
  const device = openSync(path);
  test.teardown(() => device.close());
  mkfsFamfs(device, { ...host, logLength: 2 * LOG });
  const paths = [...Array.from({ length: 35_000 }, () => 'first'), 'last'];
  const entries = paths.map((name, index) => entryBytes({ type: MKDIR, ...OWNER, mode: 0o750, path: name }, index));
  device.writeSync(Buffer.concat(entries), positionOf(0));
  device.writeSync(counterBytes(paths.length), COUNTERS);
  const famfs = mountFamfs(device, host);
  test.equal(famfs.damage, undefined);
  test.strictSame([...famfs.readdir('/')].map(({ name }) => name), ['.', '..', 'first', 'last']);
  test.equal(famfs.resolve('last').ino, paths.length + 1);
  famfs.unmount();
  test.end();
});

t.test('every name of a long log is found, in its directory and in order, and no other', (test) => {
  const path = join(folderFor(test), 'memory');
  const host = { systemUuidFile: systemUuidFile(test) };
  writeFileSync(path, '');
  truncateSync(path, LOG_OFFSET + LOG + 32 * UNIT);
  const device = openSync(path);
  test.teardown(() => device.close());
  mkfsFamfs(device, { ...host, logLength: LOG });
  const files = [
    fileAt('one', [0], false),
    fileAt('three', [3, 1, 2], false),
    fileAt('two-strips', [5, 4], true),
    fileAt('sixteen-strips', Array.from({ length: 16 }, (_, strip) => 6 + strip), true),
    fileAt('one-strip', [22], true),
  ];
  for (let index = 0; index < ENTRIES; index++) {
    device.writeSync(entryBytes({ type: MKDIR, ...OWNER, mode: 0o750, path: pathAt(index) }, index), positionOf(index));
  }
  for (const [index, file] of files.entries()) device.writeSync(entryBytes(file, ENTRIES + index), positionOf(ENTRIES + index));
  // An entry of a path that is there makes nothing.
  device.writeSync(entryBytes({ type: MKDIR, ...OWNER, mode: 0o700, path: pathAt(ENTRIES - 1) }, ENTRIES + files.length), positionOf(ENTRIES + files.length));
  device.writeSync(counterBytes(ENTRIES + files.length + 1), COUNTERS);

  const famfs = mountFamfs(device, host);
  test.equal(famfs.damage, undefined);
  test.equal(famfs.entries, ENTRIES + files.length + 1);
  let wrong = 0;
  for (let index = 0; index < ENTRIES; index++) {
    const inode = famfs.resolve(pathAt(index));
    if (inode.ino !== index + 2 || inode.path !== `/${pathAt(index)}` || inode.mode !== 0o40750 || inode.uid !== 7 || inode.gid !== 9) wrong++;
    if (index % IN_ONE > 0 && famfs.lookup(famfs.root, String(index)) !== undefined) wrong++;
  }
  test.equal(wrong, 0);
  const names = [...famfs.readdir('d300')].map(({ name }) => name);
  test.strictSame(names, ['.', '..', ...Array.from({ length: IN_ONE - 1 }, (_, n) => String(301 + n))]);
  test.equal(famfs.stat('d300').nlink, 2 + IN_ONE - 1);
  test.equal(famfs.stat('/').nlink, 2 + ENTRIES / IN_ONE);
  for (const [index, file] of files.entries()) {
    const { path: name = '' } = file;
    const inode = famfs.resolve(name);
    test.strictSame(inode.entry, file, name);
    test.equal(inode.ino, ENTRIES + index + 2);
  }
  famfs.unmount();
  test.end();
});
