// What the master may do, in which order it does it, and what everybody else is refused.

import { writeFileSync } from 'node:fs';
import t from 'tap';
import { openSync, PROT_READ, PROT_WRITE, type WriteOptions } from 'node-dax';
import { mkfsFamfs, mountFamfs, type FamfsChange } from 'node-dax/famfs';
import { createFs } from 'node-dax/fs';
import { MemoryDevice } from 'node-dax/testkit';
import { COUNTERS, positionOf } from '../../lib/famfs/format/log-header.js';
import { contentOf } from '../helpers/famfs-content.js';
import { makeFamfs, MIB, systemUuidFile, walk } from '../helpers/famfs-image.js';

t.test('a file is created with its contents, and has zeros where they end', (test) => {
  const { device, mount } = makeFamfs(test);
  device.view(10 * MIB, 20 * MIB).fill(0xa5);
  const famfs = mount();
  test.match(famfs, { role: 'master', readOnly: false, entries: 0, capacity: 15_420 });
  famfs.mkdir('d', { mode: 0o700, uid: 3, gid: 4 });
  const inode = famfs.create('/d/f', 5000, { fill: (file) => { file.writeSync(Buffer.from('filled'), 4990); } });
  test.equal(inode.path, '/d/f');
  test.match(famfs.stat('d'), { mode: 0o040700, uid: 3, gid: 4, nlink: 2 });
  test.match(famfs.stat('d/f'), { mode: 0o100644, size: 5000, blocks: 4096, mtimeMs: 0 });
  const wanted = Buffer.alloc(5000);
  wanted.write('filled', 4990);
  test.ok(contentOf(famfs, inode).equals(wanted));
  test.ok(Buffer.from(device.view(10 * MIB, 8192)).equals(Buffer.concat([wanted, Buffer.alloc(3192)])), 'to the end of the page');
  test.throws(() => famfs.create('x', 1, { fill: () => { throw new Error('not filled'); } }), { message: 'not filled' });
  test.equal(famfs.entries, 2);
  test.end();
});

t.test('contents go first, then the entry, then both counters, each made durable before the next', (test) => {
  const stores: [string, number, number][] = [];
  class Told extends MemoryDevice {
    protected override store(pos: number, bytes: Uint8Array, options: WriteOptions): void {
      stores.push(['store', pos, bytes.byteLength]);
      super.store(pos, bytes, options);
    }

    override persist(pos: number, length: number): void {
      stores.push(['persist', pos, length]);
    }
  }
  const device = new Told(new Uint8Array(16 * MIB));
  const uuid = systemUuidFile(test);
  mkfsFamfs(device, { systemUuidFile: uuid });
  const famfs = mountFamfs(device, { systemUuidFile: uuid });
  famfs.mkdir('d');
  stores.length = 0;
  famfs.create('d/f', 100, { fill: (file) => { file.writeSync(Buffer.from('content'), 0); } });
  const areas = stores.map(([what, pos, length]) => `${what} ${pos >= 10 * MIB ? 'content' : pos === COUNTERS ? 'counters' : pos === positionOf(1) ? 'entry' : pos}${pos < 10 * MIB ? ` ${length}` : ''}`);
  const after = areas.lastIndexOf('persist content');
  test.ok(areas.slice(0, after).every((area) => area.endsWith('content')));
  test.strictSame([...new Set(areas.slice(after + 1))], ['store entry 544', 'persist entry 544', 'store counters 16', 'persist counters 16']);
  test.end();
});

t.test('what cannot be made is refused, and leaves the log as it is', (test) => {
  const { mount } = makeFamfs(test, 32 * MIB);
  const famfs = mount();
  famfs.mkdir('d');
  famfs.create('f', 1);
  const refused = (path: string, size: number, code: string, options = {}) => {
    test.throws(() => famfs.create(path, size, options), { code }, `${JSON.stringify(path)}, ${size}: ${code}`);
  };
  refused('f', 1, 'EEXIST');
  refused('d', 1, 'EEXIST');
  refused('/', 1, 'EEXIST');
  refused('none/f', 1, 'ENOENT');
  refused('f/g', 1, 'ENOTDIR');
  refused('d/../g', 1, 'EINVAL');
  refused('.meta', 1, 'EINVAL');
  refused('a\0b', 1, 'EINVAL');
  refused('x'.repeat(79), 1, 'ENAMETOOLONG');
  refused('big', 20 * MIB + 1, 'ENOSPC');
  refused('wide', 16 * MIB, 'ENOSPC', { stripes: 16, chunk: 4 * MIB });
  for (const size of [0, -1, 1.5, NaN, 2 ** 53]) refused('g', size, 'ERR_OUT_OF_RANGE');
  for (const options of [{ stripes: 0 }, { stripes: 17 }, { stripes: 2, chunk: MIB }, { chunk: 3 * MIB }, { mode: 0o10000 }, { uid: -1 }]) refused('g', 1, 'ERR_OUT_OF_RANGE', options);
  refused('g', 1, 'ERR_INVALID_ARG_VALUE', { strips: 2 });
  test.throws(() => famfs.mkdir('f'), { code: 'EEXIST' });
  test.equal(famfs.entries, 2);
  test.equal(famfs.create('x'.repeat(78), 20 * MIB).size, 20 * MIB, 'the rest of the memory');
  refused('more', 1, 'ENOSPC');
  test.equal(famfs.statfs().freeBlocks, 0);
  test.end();
});

t.test('the last entry of a log, and the one after it', { timeout: 120_000 }, (test) => {
  const { mount } = makeFamfs(test);
  // A lock asks the kernel each time who has the device.
  const famfs = mount({ lock: false });
  for (let index = 0; index < famfs.capacity; index++) famfs.mkdir(`n${index}`);
  test.throws(() => famfs.mkdir('more'), { code: 'ENOSPC', message: /log is full: it has room for 15420/ });
  const again = mount();
  test.match([again.entries, again.damage, walk(again).size], [15_420, undefined, 15_420]);
  test.equal(again.statfs().freeInodes, 0);
  test.end();
});

t.test('a client reads, and is refused everything else', (test) => {
  const { device, mount } = makeFamfs(test);
  const master = mount();
  master.create('f', 100);
  const other = systemUuidFile(test, '99999999-4455-6677-8899-aabbccddeeff');
  for (const systemUuidPath of [other, '/no/such/file']) {
    const client = mountFamfs(device, { systemUuidFile: systemUuidPath });
    test.match(client, { role: 'client', readOnly: true });
    test.throws(() => client.create('g', 1), { code: 'EROFS', message: /00112233-4455.*client/ });
    test.throws(() => client.mkdir('g'), { code: 'EROFS' });
    test.throws(() => { client.unlink(); }, { code: 'EROFS' });
    using file = client.open('f');
    test.throws(() => file.writeSync(Buffer.alloc(1), 0), { code: 'EROFS' });
    test.throws(() => file.mmap({ prot: PROT_READ + PROT_WRITE }), { code: 'EACCES' });
    test.doesNotThrow(() => { client.flush('f'); });
  }
  const writer = mountFamfs(device, { systemUuidFile: other, readOnly: false });
  using file = writer.open('f');
  file.writeSync(Buffer.from('shared'), 3);
  file.fsync();
  test.throws(() => writer.create('g', 1), { code: 'EROFS' }, 'who may write files may not add any');
  test.equal(contentOf(master, master.resolve('f')).toString('latin1', 3, 9), 'shared');
  writeFileSync(other, 'no uuid');
  test.throws(() => mountFamfs(device, { systemUuidFile: other }), { code: 'EINVAL', message: /no UUID/ });
  test.end();
});

t.test('a file keeps its size, and the tree what is in it', async (test) => {
  const { mount } = makeFamfs(test);
  const famfs = mount();
  famfs.create('f', 5000);
  const file = famfs.open('f');
  test.equal(file.writeSync(Buffer.alloc(100, 1), 4950), 50, 'a write is cut at the end');
  test.throws(() => file.writeSync(Buffer.alloc(1), 5000), { code: 'EFBIG' });
  test.throws(() => file.appendSync(Buffer.alloc(1)), { code: 'EFBIG' });
  test.throws(() => { file.truncateSync(10); }, { code: 'EPERM', message: /keeps the size/ });
  await test.rejects(file.truncate(6000), { code: 'EPERM' });
  test.throws(() => { file.punchHoleSync(0, 4096); }, { code: 'EOPNOTSUPP' });
  test.equal(file.size, 5000);
  const mapping = file.mmap({ length: 5000 });
  new Uint8Array(mapping.buffer).set(Buffer.from('mapped'), 4000);
  file.fsync();
  test.equal(contentOf(famfs, famfs.resolve('f')).toString('latin1', 4000, 4006), 'mapped');
  test.throws(() => { famfs.unmount(); }, { code: 'EBUSY' });
  await file.close();
  test.throws(() => file.readSync(Buffer.alloc(1), 0), { code: 'EBADF' });
  const fs = createFs(famfs);
  for (const call of [
    () => { fs.unlinkSync('/f'); },
    () => { fs.renameSync('/f', '/g'); },
    () => { fs.symlinkSync('f', '/g'); },
    () => { fs.writeFileSync('/g', 'x'); },
    () => { fs.chmodSync('/f', 0o600); },
    () => { fs.truncateSync('/f', 1); },
  ]) test.throws(call, { code: 'EPERM' });
  fs.mkdirSync('/made/by/facade', { recursive: true });
  test.strictSame(fs.readdirSync('/made'), ['by']);
  test.equal(fs.statSync('/made/by/facade').isDirectory(), true);
  famfs.mkdir(Buffer.from([0xff]));
  test.equal(famfs.mkdir(famfs.resolve(Buffer.from([0xff])), 'in', 0o755).path, '/\ufffd/in', 'a name that is no UTF-8');
  mapping.unmap();
  famfs.unmount();
  test.throws(() => famfs.stat('f'), { code: 'EBADF' });
  test.end();
});

t.test('two masters of one host add in turn, and who makes a new one waits for both', (test) => {
  const { path, uuidFile, mount } = makeFamfs(test);
  const device = openSync(path);
  const one = mount();
  const two = mountFamfs(device, { systemUuidFile: uuidFile });
  one.create('a', 1);
  two.create('b', 1);
  one.create('c', 1);
  test.strictSame(two.refresh().map((inode) => inode.path), ['/c']);
  test.strictSame([...walk(one).keys()], ['a', 'b', 'c']);
  test.throws(() => one.create('d', 1, { fill: () => { two.mkdir('e'); } }), { code: 'EBUSY' });
  test.throws(() => mkfsFamfs(device, { systemUuidFile: uuidFile, force: true }), { code: 'EBUSY' });
  one.unmount();
  two.unmount();
  test.throws(() => mkfsFamfs(device, { systemUuidFile: uuidFile }), { code: 'EEXIST', message: /famfs/ });
  const old = mountFamfs(device, { systemUuidFile: uuidFile, lock: false });
  mkfsFamfs(device, { systemUuidFile: uuidFile, force: true, logLength: 16 * MIB });
  test.throws(() => old.refresh(), { code: 'ESTALE' });
  test.throws(() => old.create('f', 1), { code: 'ESTALE' });
  test.equal(mountFamfs(device, { systemUuidFile: uuidFile }).capacity, 30_840);
  device.closeSync();
  test.end();
});

t.test('readdir goes on after any entry', (test) => {
  const famfs = makeFamfs(test).mount();
  for (const name of ['a', 'b', 'b/inner', 'c']) famfs.mkdir(name);
  const all = [...famfs.readdir('/')];
  test.strictSame(all.map(({ name }) => name), ['.', '..', 'a', 'b', 'c']);
  for (const [index, { next }] of all.entries()) test.strictSame([...famfs.readdir('/', next)], all.slice(index + 1));
  test.strictSame([...famfs.readdir('/', 1000)], [], 'there is nothing behind the last');
  for (const from of [-1, 0.5, NaN]) test.throws(() => [...famfs.readdir('/', from)], { code: 'ERR_OUT_OF_RANGE' });
  test.end();
});

t.test('a listener is told of each name that is added, by this mount or another', (test) => {
  const { mount } = makeFamfs(test);
  const [famfs, other] = [mount(), mount()];
  const told: FamfsChange[] = [];
  const stop = famfs.watchChanges((change) => { told.push(change); });
  other.mkdir('d');
  other.create('d/file', 1);
  test.strictSame(told, [], 'not before they are read');
  famfs.refresh();
  const { ino } = famfs.resolve('d');
  const expected = [{ dir: famfs.root.ino, name: Buffer.from('d') }, { ino: famfs.root.ino }, { dir: ino, name: Buffer.from('file') }];
  test.strictSame(told, expected);
  famfs.create('own', 1);
  test.strictSame(told.slice(expected.length), [{ dir: famfs.root.ino, name: Buffer.from('own') }]);
  stop();
  famfs.mkdir('e');
  test.equal(told.length, expected.length + 1);
  test.end();
});

t.test('what mkfs refuses', (test) => {
  const memory = new Uint8Array(12 * MIB);
  const uuid = systemUuidFile(test);
  test.throws(() => mkfsFamfs(new MemoryDevice(memory.subarray(0, 8 * MIB)), { systemUuidFile: uuid }), { code: 'ENOSPC' });
  test.throws(() => mkfsFamfs(new MemoryDevice(memory), { systemUuidFile: '/no/such/file' }), { code: 'ENOENT', message: /uuidgen/ });
  for (const logLength of [4 * MIB, 12 * MIB, NaN]) {
    test.throws(() => mkfsFamfs(new MemoryDevice(memory), { systemUuidFile: uuid, logLength }), { code: 'ERR_OUT_OF_RANGE' });
  }
  test.ok(memory.every((byte) => byte === 0), 'nothing was written');
  test.end();
});
