// Mappings of files on devices that are made of others: the faults of workers across chunks, segments and pages of memory.

import '../helpers/assert-locks.js';

import t, { type Test } from 'tap';
import { blockDevice, openSync, PAGE_SIZE, PROT_READ, type BlockDevice, type DriverDevice } from 'node-dax';
import { axonram, brd, dcssblk, linear, readOnly, striped } from 'node-dax/drivers';
import { mkfsSync, mount, type Ext2 } from 'node-dax/ext2';
import { scratchPath } from '../helpers/devices.js';
import { onEveryDriver, scratch } from '../helpers/drivers.js';
import { FaultWorker } from '../helpers/fault-worker.js';
import { watch } from '../helpers/watchdog.js';

const MIB = 1024 * 1024;
const PAGES = 600;

/** A file `f` with this content, closed. */
function store(fs: Ext2, content: Uint8Array): void {
  const file = fs.open(fs.create(fs.root, 'f'));
  file.writeSync(content, 0);
  file.closeSync();
}

function format(device: BlockDevice): Ext2 {
  mkfsSync(device, { blockSize: 4096 });
  return mount(device, { owner: { uid: 0, gid: 0 } });
}

function formatted(test: Test, device: BlockDevice): Ext2 {
  const fs = format(device);
  test.teardown(() => { fs.unmount(); });
  return fs;
}

t.test('a worker loads and stores in a mapping of a file that reaches over all parts of the device', (parent) => {
  onEveryDriver(parent, 8 * MIB, async (test, device) => {
    watch(test);
    const fs = formatted(test, device);
    const file = fs.open(fs.create(fs.root, 'f'));
    for (let page = 0; page < PAGES; page += 2) file.writeSync(Buffer.alloc(PAGE_SIZE, page % 250), page * PAGE_SIZE);
    file.truncateSync(PAGES * PAGE_SIZE);
    const mapping = file.mmap({ populate: false });
    const worker = await FaultWorker.start(test, mapping.handle);
    for (let page = 0; page < PAGES; page += 37) {
      test.equal(await worker.load(page * PAGE_SIZE + 5), page % 2 === 0 ? page % 250 : 0, `page ${page}`);
      await worker.store(page * PAGE_SIZE + 5, 251);
    }
    await worker.settled();
    test.strictSame(worker.losses, []);
    mapping.persist();
    file.fsync();
    const byte = Buffer.alloc(1);
    for (let page = 0; page < PAGES; page += 37) {
      file.readSync(byte, page * PAGE_SIZE + 5);
      test.equal(byte[0], 251);
    }
    // And on this thread, where all is resolved ahead.
    const own = Buffer.from(file.mmap({ prot: PROT_READ }).buffer);
    test.equal(own[37 * PAGE_SIZE + 5], 251);
    test.equal(own[2 * PAGE_SIZE], 2);
    file.closeSync();
  });
  parent.end();
});

t.test('stores through a mapping lie where the device puts them', (test) => {
  const [one, two] = [scratch(test, 4 * MIB), scratch(test, 4 * MIB)];
  const fs = formatted(test, striped([one, two], { chunk: 2 * PAGE_SIZE }));
  const file = fs.open(fs.create(fs.root, 'f'));
  file.writeSync(Buffer.alloc(64 * PAGE_SIZE), 0);
  const bytes = Buffer.from(file.mmap().buffer);
  for (let page = 0; page < 64; page++) bytes.write(`page ${page} of the file`, page * PAGE_SIZE);
  const found = [one, two].map((device) => [...Buffer.from(device.view()).toString('latin1').matchAll(/page (\d+) of the file/g)].length);
  test.strictSame(found, [32, 32]);
  file.closeSync();
  test.end();
});

t.test('a page with an error is refused with its position, and those before it are not', (test) => {
  const bank = axonram(scratch(test, 4 * MIB));
  const fs = formatted(test, bank);
  const file = fs.open(fs.create(fs.root, 'f'));
  file.writeSync(Buffer.alloc(8 * PAGE_SIZE, 'x'), 0);
  const at = bank.size / PAGE_SIZE;
  const page = Array.from({ length: at }, (_, n) => n).find((n) => {
    const content = Buffer.alloc(PAGE_SIZE);
    bank.readSync(content, n * PAGE_SIZE);
    return content.every((byte) => byte === 0x78);
  }) as number;
  bank.tellError((page + 4) * PAGE_SIZE + 17, false);
  const content = Buffer.alloc(8 * PAGE_SIZE);
  test.equal(file.readSync(content, 0), 4 * PAGE_SIZE);
  test.throws(() => file.readSync(content, 4 * PAGE_SIZE), { code: 'EIO', position: (page + 4) * PAGE_SIZE });
  test.throws(() => file.mmap(), { code: 'EIO', position: (page + 4) * PAGE_SIZE });
  test.equal(Buffer.from(file.mmap({ length: 4 * PAGE_SIZE }).buffer)[0], 0x78);
  file.closeSync();
  test.end();
});

t.test('what may not be stored to is not mapped to be stored to', (test) => {
  const below = scratch(test, 4 * MIB);
  const first = format(below);
  store(first, Buffer.alloc(PAGE_SIZE, 'x'));
  first.unmount();
  const fs = mount(readOnly(below), { readOnly: true });
  const file = fs.open(fs.resolve('/f'), { readOnly: true });
  test.throws(() => file.mmap(), { code: 'EACCES', reason: 'READ_ONLY' });
  test.equal(Buffer.from(file.mmap({ prot: PROT_READ }).buffer)[0], 0x78);
  file.closeSync();
  fs.unmount();
  test.end();
});

t.test('memory of a driver without backing cannot be mapped, and its files are read and written', (test) => {
  const memory = new Uint8Array(4 * MIB);
  const device = blockDevice({
    sectors: memory.length / 512,
    directAccess: (sector) => ({ bytes: memory.length - sector * 512, window: memory.subarray(sector * 512) }),
  });
  const fs = formatted(test, device);
  const file = fs.open(fs.create(fs.root, 'f'));
  file.writeSync(Buffer.from('plain'), 0);
  test.throws(() => file.mmap(), { code: 'EOPNOTSUPP', reason: 'NOT_MAPPABLE' });
  file.closeSync();
  test.end();
});

t.test('a segment that may only be read, behind one that may be written, is refused to stores', async (test) => {
  watch(test);
  const paths = [scratchPath(test, '/dev/shm'), scratchPath(test, '/dev/shm')];
  for (const path of paths) openSync(path, { size: 2 * MIB }).closeSync();
  const whole = linear(paths.map((path) => openSync(path)));
  const first = format(whole);
  store(first, Buffer.alloc(3 * MIB, 'x'));
  first.unmount();
  await whole.close();
  const segments = dcssblk(paths.map((path, index) => ({ path, access: index === 0 ? 'shared' : 'readOnly' })));
  test.teardown(() => segments.close());
  const fs = mount(segments, { readOnly: true, lock: false });
  const file = fs.open(fs.resolve('/f'), { readOnly: true });
  const mapping = file.mmap({ prot: PROT_READ });
  test.ok(Buffer.from(mapping.buffer).every((byte) => byte === 0x78));
  test.throws(() => segments.writeSync(Buffer.alloc(1), 2 * MIB), { code: 'EROFS' });
  test.equal(segments.writeSync(Buffer.alloc(1), 2 * MIB - 1), 1);
  const { window } = segments.directAccess((2 * MIB) / 512, PAGE_SIZE);
  window[0] = 1;
  const byte = Buffer.alloc(1);
  const other = openSync(paths[1] as string, { readOnly: true });
  other.readSync(byte, 0);
  test.not(byte[0], 1, 'the store stayed in this process');
  other.closeSync();
  file.closeSync();
  fs.unmount();
});

t.test('pages of a RAM disk that are mapped stay where they are', (test) => {
  const disk: DriverDevice & { discard(pos: number, length: number): void; used: number } = brd({ size: 4 * MIB });
  const fs = formatted(test, disk);
  const file = fs.open(fs.create(fs.root, 'f'));
  file.writeSync(Buffer.alloc(4 * PAGE_SIZE, 'x'), 0);
  const bytes = Buffer.from(file.mmap().buffer);
  const before = disk.used;
  disk.discard(0, disk.size);
  test.ok(bytes.every((byte) => byte === 0), 'a discarded page is zeros for those who look at it, too');
  disk.writeSync(Buffer.alloc(MIB, 'y'), 3 * MIB);
  test.ok(bytes.every((byte) => byte === 0), 'and nobody else has it');
  test.ok(before > disk.used - MIB);
  file.closeSync();
  test.end();
});
