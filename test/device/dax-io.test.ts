import t from 'tap';
import { openSync, partition, type DaxDevice, type DaxFile } from 'node-dax';
import { onEveryKind, scratchPath } from '../helpers/devices.js';
import { ON_HOST } from '../helpers/guest.js';
import { seeded } from '../helpers/random.js';
import { isFree, Tfs, type TfsOptions } from '../helpers/tfs.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const zeros = (length: number) => Buffer.alloc(length);

function contents(file: DaxFile): Buffer {
  const bytes = zeros(file.size);
  file.readSync(bytes, 0);
  return bytes;
}

// A filesystem on the first MiB, which holds old data.
function format(device: DaxDevice, options: TfsOptions = {}): Tfs {
  device.writeSync(Buffer.alloc(MIB, 0xa5), 0);
  const { blockSize = 4096 } = options;
  return new Tfs({ ...options, devices: [device], blocksPerDevice: MIB / blockSize });
}

/** What the device itself has for a file. */
function media(tfs: Tfs, file: DaxFile): Buffer {
  const { blockSize } = tfs.sb;
  const blocks = Array.from({ length: Math.ceil(file.size / blockSize) }, (_, iblock) => {
    const block = zeros(blockSize);
    const place = tfs.placeOf(file.inode, iblock);
    if (place !== undefined) place.bdev.readSync(block, place.pos);
    return block;
  });
  return Buffer.concat(blocks);
}

onEveryKind('files are written, read, truncated and grown on every device (IO-8, IO-15, IO-17, TR-8)', (test, wanted) => {
  const device = wanted.open();
  const random = seeded(test);
  for (const options of [{}, { blockSize: 512, maxRun: 3 }, { unwritten: true }, { blockSize: 1024, zeroOnAlloc: true }]) {
    const tfs = format(device, options);
    const { blockSize } = tfs.sb;
    const file = tfs.file();
    const segments = [1, 0, 4095, 5000].map((length) => random.bytes(length));
    test.equal(file.writeSync(segments, 10), 9096);
    const all = Buffer.concat([zeros(10), ...segments]);
    test.ok(contents(file).equals(all));
    test.ok(media(tfs, file).equals(Buffer.concat([all], Math.ceil(9106 / blockSize) * blockSize)), 'zeros around it');
    const targets = [zeros(5000), zeros(0), zeros(4096)];
    test.equal(file.readSync(targets, 10), 9096);
    test.ok(Buffer.concat(targets).equals(all.subarray(10)));
    file.truncateSync(4097);
    test.ok(media(tfs, file).equals(Buffer.concat([all.subarray(0, 4097)], Math.ceil(4097 / blockSize) * blockSize)));
    test.equal(file.writeSync(Buffer.from('end'), 20_000), 3);
    const grown = Buffer.concat([all.subarray(0, 4097), zeros(20_000 - 4097), Buffer.from('end')]);
    test.ok(contents(file).equals(grown));
    file.punchHoleSync(100, 8000);
    grown.fill(0, 100, 8100);
    test.ok(contents(file).equals(grown));
    tfs.unlink(file.inode);
    test.equal(tfs.freeBlocks, MIB / blockSize);
  }
  test.end();
});

onEveryKind('files and the device show the same bytes on', (test, wanted) => {
  const device = wanted.open();
  const tfs = format(device);
  const file = tfs.file();
  file.writeSync(Buffer.alloc(8192, 'a'), 0);
  const place = tfs.placeOf(file.inode, 1);
  const { pos = 0 } = place ?? {};
  device.view(pos, 5).set(Buffer.from('store'));
  device.persist(pos, 5);
  test.equal(contents(file).toString('latin1', 4094, 4103), 'aastoreaa');
  const view = device.view(pos, 4096);
  file.writeSync(Buffer.from('write'), 4096);
  test.equal(Buffer.from(view.subarray(0, 5)).toString(), 'write');
  test.end();
});

onEveryKind('large copies leave the event loop free and hold the lock on', async (test, wanted) => {
  const device = wanted.open();
  const random = seeded(test);
  const tfs = format(device);
  const file = tfs.file();
  const bytes = [random.bytes(300 * KIB), random.bytes(0), random.bytes(500 * KIB), random.bytes(17)];
  const all = Buffer.concat(bytes);
  const writing = file.write(bytes, 5);
  test.throws(() => file.readSync(zeros(1), 0), { code: 'EAGAIN' });
  const reading = file.read(zeros(2 * MIB), 0);
  const truncating = file.truncate(100);
  const appending = file.append(Buffer.from('appended'));
  test.equal(await writing, all.length);
  test.equal(await reading, all.length + 5, 'the read waited for the write, truncation for the read');
  await truncating;
  await appending;
  test.ok(contents(file).equals(Buffer.concat([zeros(5), all.subarray(0, 95), Buffer.from('appended')])));
  const target = zeros(all.length);
  await file.write(all, 0);
  test.equal(await file.read(target, 0), all.length);
  test.ok(target.equals(all));
  const abort = new AbortController();
  const pending = file.write(all, 0, { signal: abort.signal });
  abort.abort();
  const written = await pending.catch(() => 0);
  test.ok(written === 0 || written <= all.length);
  test.ok(contents(file).equals(all), 'an aborted write leaves what it found or what it wrote');
});

onEveryKind('a full filesystem gives all of its blocks back (IO-16)', async (test, wanted) => {
  const tfs = format(wanted.open(), { maxRun: 5 });
  const [file, other] = [tfs.file(), tfs.file()];
  test.equal(await other.write(Buffer.alloc(600 * KIB, 'o'), 0), 600 * KIB);
  test.equal(await file.write(Buffer.alloc(600 * KIB, 'f'), 100), 424 * KIB - 100, 'as much as there is');
  test.throws(() => file.appendSync(Buffer.alloc(1)), { code: 'ENOSPC' });
  other.truncateSync(0);
  file.truncateSync(MIB);
  test.ok(contents(file).equals(Buffer.concat([zeros(100), Buffer.alloc(424 * KIB - 100, 'f'), zeros(600 * KIB)])));
  test.equal(file.writeSync(Buffer.from('x'), MIB - 1), 1);
  test.ok(contents(file).subarray(424 * KIB, MIB - 1).equals(zeros(600 * KIB - 1)), 'nothing of the other file');
});

onEveryKind('a filesystem on a partition of', (test, wanted) => {
  const device = wanted.open();
  device.writeSync(Buffer.alloc(MIB, 0xa5), 0);
  const tfs = new Tfs({ blockSize: 1024, devices: [partition(device, 8, 512), partition(device, 1024, 512)], blocksPerDevice: 256 });
  const bytes = Buffer.from(seeded(test).bytes(300 * KIB));
  const file = tfs.file();
  test.equal(file.writeSync(bytes, 0), bytes.length);
  test.ok(contents(file).equals(bytes));
  const read = zeros(44 * KIB);
  device.readSync(read, MIB / 2);
  test.ok(read.equals(bytes.subarray(256 * KIB)));
  device.readSync(read, 4096);
  test.ok(read.equals(bytes.subarray(0, 44 * KIB)));
  test.end();
});

t.test('a device that is closed', ON_HOST, async (test) => {
  const device = openSync(scratchPath(test), { size: MIB });
  const file = format(device).file();
  file.writeSync(Buffer.alloc(10), 0);
  await device.close();
  test.throws(() => file.writeSync(Buffer.alloc(10), 0), { code: 'EBADF' });
  test.throws(() => file.readSync(Buffer.alloc(10), 0), { code: 'EBADF' });
  test.ok(isFree(file.inode));
});
