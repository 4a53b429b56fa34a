// A reader and a writer in another language, by the description of the format alone: each reads what the other wrote.

import { join } from 'node:path';
import t from 'tap';
import { openSync, PROT_READ } from 'node-dax';
import { mountFamfs } from 'node-dax/famfs';
import { createFs } from 'node-dax/fs';
import { contentOf } from '../helpers/famfs-content.js';
import { folderFor, makeFamfs, MIB, python, pythonMissing, sha256, SYSTEM_UUID, systemUuidFile, walk } from '../helpers/famfs-image.js';
import { seeded } from '../helpers/random.js';

interface Told {
  version: number;
  omf: number[];
  size: number;
  uuid: string;
  system: string;
  entries: { kind: string | number; path?: string; size?: number; sha256?: string; chunk?: number; extents?: number[][] }[];
}

const FILES = [
  { kind: 'mkdir', path: 'd' },
  { kind: 'file', path: 'one-byte', size: 1, extents: [[10, 2]] },
  { kind: 'file', path: 'd/ä漢', size: 2 * MIB + 1, extents: [[12, 4]] },
  { kind: 'file', path: 'd/three', size: 5 * MIB + 4097, extents: [[20, 2], [16, 2], [18, 2]] },
  { kind: 3, uuid: 'deb48c34-4ab8-4a3e-acbb-7b8b7337e0f5', index: 1 },
  { kind: 'mkdir', path: 'd/e' },
  { kind: 'file', path: 'd/e/striped', size: 9 * MIB + 77, chunk: 2, extents: [[40, 4], [22, 4], [34, 4]] },
  { kind: 'file', path: 'd/e/wide', size: 8 * MIB, chunk: 4, extents: [[48, 8], [56, 8]] },
  { kind: 'file', path: 'one-strip', size: 3 * MIB, chunk: 2, extents: [[44, 4]] },
];

// Places in MiB, as they are above, in bytes.
const inBytes = (entries: typeof FILES) =>
  entries.map((entry) => ({
    ...entry,
    ...(entry.extents !== undefined && { extents: entry.extents.map((extent) => extent.map((mib) => mib * MIB)) }),
    ...(entry.chunk !== undefined && { chunk: entry.chunk * MIB }),
  }));

t.test('what another writer wrote is read byte by byte, by read, by mapping and by the facade', { skip: pythonMissing }, (t) => {
  for (const [version, log] of [[48, 8], [47, 8], [48, 16]] as const) {
    t.test(`version ${version}, a log of ${log} MiB`, (test) => {
      const path = join(folderFor(test), 'memory');
      const entries = inBytes(FILES)
        .filter(({ kind }) => version === 48 || kind !== 3)
        .map((entry) => (entry.extents === undefined ? entry : { ...entry, extents: entry.extents.map(([at = 0, length]) => [at + (log - 8) * MIB, length]) }));
      const wanted = { size: (64 + log - 8) * MIB, log: log * MIB, version, system: SYSTEM_UUID, entries };
      const written = python('write', path, JSON.stringify(wanted)) as Told['entries'];
      const device = openSync(path, { readOnly: true });
      const famfs = mountFamfs(device, { systemUuidFile: systemUuidFile(test), onWarning: (message) => test.fail(message) });
      test.equal(famfs.superblock.version, version);
      test.equal(famfs.entries, written.length);
      test.equal(famfs.devices.length, version === 48 ? 1 : 0);
      const found = walk(famfs);
      test.strictSame([...found.keys()].sort(), written.flatMap((entry) => entry.path ?? []).sort());
      const fs = createFs(famfs);
      for (const { kind, path: name = '', size = 0, sha256: digest } of written) {
        if (kind !== 'file') continue;
        test.equal(sha256(contentOf(famfs, famfs.resolve(name))), digest, name);
        test.equal(sha256(fs.readFileSync(`/${name}`) as Buffer), digest, name);
        using file = famfs.open(name, { readOnly: true });
        const mapping = file.mmap({ prot: PROT_READ, length: size });
        test.equal(sha256(new Uint8Array(mapping.buffer, 0, size)), digest, name);
        mapping.unmap();
      }
      famfs.unmount();
      device.closeSync();
      test.end();
    });
  }
  t.end();
});

t.test('what was created is read by another reader, and again by this one', { skip: pythonMissing, timeout: 120_000 }, (test) => {
  const { path, device, mount } = makeFamfs(test, 192 * MIB);
  const random = seeded(test);
  const famfs = mount();
  const digests = new Map<string, string>();
  const directories = [''];
  for (let step = 0; step < 40; step++) {
    const name = `${random.pick(directories)}n${step}`;
    if (random.below(4) === 0 && name.length < 60) {
      famfs.mkdir(name, { mode: 0o700 });
      directories.push(`${name}/`);
      continue;
    }
    const size = 1 + random.below(random.pick([10, 5000, 3 * MIB, 7 * MIB]));
    const content = Buffer.alloc(size, random.bytes(999));
    const stripes = random.pick([undefined, undefined, 1, 2, 3]);
    const fill = (file: { writeSync(source: Uint8Array, pos: number): number }): void => { file.writeSync(content, 0); };
    try {
      famfs.create(name, size, { fill, uid: step, gid: 7, ...(stripes !== undefined && { stripes }) });
      digests.set(name, sha256(content));
    } catch (error) {
      test.match(error, { code: 'ENOSPC' });
    }
  }
  test.ok(digests.size > 8, `${digests.size} files`);
  const told = python('read', path) as Told;
  test.match(told, { version: 48, omf: [2, 2], size: device.size, system: SYSTEM_UUID, uuid: famfs.superblock.uuid });
  test.equal(told.entries.length, famfs.entries);
  const files = told.entries.filter(({ kind }) => kind === 'file');
  test.strictSame(new Map(files.map((file) => [file.path, file.sha256])), digests);
  const again = mount();
  for (const [name, digest] of digests) test.equal(sha256(contentOf(again, again.resolve(name))), digest, name);
  test.strictSame([...walk(again).keys()], [...walk(famfs).keys()]);
  test.equal(again.statfs().freeBlocks, famfs.statfs().freeBlocks);
  again.unmount();
  famfs.unmount();
  test.end();
});
