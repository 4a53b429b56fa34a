// A block device made of one function: what follows from it, how its answers are held to the rules, and what unplugging does.

import t from 'tap';
import { AbortError, blockDevice, DaxError, lockDevice, openScratch, PAGE_SIZE, partition, SECTOR_SIZE, type Driver, type DriverAnswer } from 'node-dax';

const SIZE = 64 * PAGE_SIZE;
const SECTORS = SIZE / SECTOR_SIZE;

/** A driver of plain memory, of which an answer is at most `most` bytes. */
function plain(most = SIZE): { driver: Driver; memory: Uint8Array } {
  const memory = new Uint8Array(SIZE).map((_, pos) => pos % 251);
  const directAccess = (sector: number): DriverAnswer => {
    const pos = sector * SECTOR_SIZE;
    const window = memory.subarray(pos, Math.min(SIZE, pos + most));
    return { bytes: window.byteLength, window };
  };
  return { driver: { sectors: SECTORS, directAccess }, memory };
}

/** One whose memory is an open device's. */
function passThrough(size = SIZE) {
  const below = openScratch(size);
  const driver: Driver = {
    sectors: size / SECTOR_SIZE,
    directAccess: (sector, wanted) => below.directAccess(sector, wanted),
    backing: (pos) => ({ device: below, pos }),
    release: () => { below.closeSync(); },
  };
  return { driver, below };
}

for (const [name, most] of [['flat memory', SIZE], ['memory in single pages', PAGE_SIZE]] as const) {
  t.test(`reads and writes of ${name}`, async (test) => {
    const { driver, memory } = plain(most);
    const device = blockDevice(driver);
    test.match(device, { size: SIZE, granularity: 'byte', persistent: undefined, readOnly: false, backing: undefined });
    const buffer = Buffer.alloc(3 * PAGE_SIZE);
    test.equal(device.readSync(buffer, 100), buffer.length);
    test.ok(buffer.equals(memory.subarray(100, 100 + buffer.length)));
    test.equal(device.writeSync(Buffer.alloc(5000, 7), 4000), 5000);
    test.ok(memory.subarray(4000, 9000).every((byte) => byte === 7));
    test.equal(memory[3999], 3999 % 251);
    test.equal(memory[9000], 9000 % 251);
    test.equal(device.zeroSync(4001, 4998), 4998);
    test.strictSame([...memory.subarray(3999, 4002), ...memory.subarray(8998, 9001)], [3999 % 251, 7, 0, 0, 7, 9000 % 251]);
    test.equal(await device.write(Buffer.alloc(10, 9), SIZE - 5), 5, 'to the end');
    test.equal(await device.read(buffer, SIZE - 5, { offset: 1, length: 20 }), 5);
    test.strictSame([...buffer.subarray(1, 6)], [9, 9, 9, 9, 9]);
    test.equal(device.readSync(buffer, SIZE), 0);
    test.throws(() => device.writeSync(buffer, SIZE), { code: 'ENOSPC', reason: 'DEVICE_FULL' });
    test.equal(device.writevSync([Buffer.from('ab'), Buffer.alloc(0), Buffer.from('cde')], 4095), 5);
    const [one, two] = [Buffer.alloc(1), Buffer.alloc(4)];
    test.equal(await device.readv([one, two], 4095), 5);
    test.equal(`${one.toString()}${two.toString()}`, 'abcde');
    device.persist(0, SIZE);
    await device.close();
  });
}

t.test('what backs it moves the bytes, flushes and locks them', async (test) => {
  const { driver, below } = passThrough(4 * 1024 * 1024);
  const device = blockDevice(driver);
  test.equal(device.granularity, below.granularity);
  test.equal(device.persistent, below.persistent);
  const large = Buffer.alloc(2 * 1024 * 1024, 5);
  test.equal(await device.write(large, PAGE_SIZE), large.length);
  test.ok(Buffer.from(below.view(PAGE_SIZE, large.length)).equals(large));
  device.directAccess(0, 8).window.set([1, 2, 3]);
  device.persist(0, 3);
  test.strictSame([...below.view(0, 4)], [1, 2, 3, 0]);
  test.equal(device.directAccess(0, 0).bytes, 0);
  const lock = lockDevice(device, 'exclusive', PAGE_SIZE, PAGE_SIZE);
  test.throws(() => below.lock('shared', PAGE_SIZE, 1), { code: 'EBUSY' });
  below.lock('shared', 0, PAGE_SIZE).release();
  lock.release();
  below.lock('shared', PAGE_SIZE, 1).release();
  const part = partition(device, 8, 16);
  part.writeSync(Buffer.from('part'), 0);
  test.equal(Buffer.from(below.view(PAGE_SIZE, 4)).toString(), 'part');
  test.strictSame(part.backing?.(0, PAGE_SIZE), { device: below, pos: PAGE_SIZE, length: PAGE_SIZE });
  const aborted = AbortSignal.abort();
  await test.rejects(device.read(large, 0, { signal: aborted }), AbortError);
  await device.close();
  test.throws(() => device.readSync(large, 0), { code: 'EBADF', reason: 'DEVICE_CLOSED' });
  test.equal(below.isOpen, false);
});

t.test('an answer against the rules is refused with the rule, wherever it is met', async (test) => {
  const window = new Uint8Array(SIZE);
  const wrong: [rule: string, code: string, answer: unknown, sector?: number][] = [
    ['DA-1', 'ERANGE', { bytes: 0, window }],
    ['DA-1', 'ENXIO', { bytes: 100, window }],
    ['DA-1', 'ENXIO', { bytes: 4096.5, window }],
    ['DA-1', 'ENXIO', { bytes: NaN, window }],
    ['DA-1', 'ENXIO', { bytes: -4096, window }],
    ['DA-4', 'ENXIO', { bytes: SIZE, window }, 8],
    ['DA-6', 'ENXIO', { bytes: SIZE, window: new Uint8Array(PAGE_SIZE) }],
    ['DA-6', 'ENXIO', { bytes: SIZE, window: [] }],
    ['DA-6', 'ENXIO', { bytes: SIZE }],
    ['DA-7', 'ENXIO', undefined],
    ['DA-7', 'ENXIO', null],
    ['DA-7', 'ENXIO', 4096],
    ['DA-7', 'ENXIO', Promise.resolve({ bytes: SIZE, window })],
  ];
  const buffer = Buffer.alloc(2 * PAGE_SIZE);
  for (const [rule, code, answer, sector = 0] of wrong) {
    const device = blockDevice({ sectors: SECTORS, directAccess: () => answer as DriverAnswer });
    const told = { name: 'DaxError', code, reason: 'DRIVER_BROKEN', position: sector * SECTOR_SIZE, hint: new RegExp(`^${rule}: `) };
    test.throws(() => device.directAccess(sector, buffer.length).window, told);
    test.throws(() => device.readSync(buffer, sector * SECTOR_SIZE), told);
    test.throws(() => device.writeSync(buffer, sector * SECTOR_SIZE), told);
    test.throws(() => device.zeroSync(sector * SECTOR_SIZE, buffer.length), told);
    await test.rejects(device.read(buffer, sector * SECTOR_SIZE), told);
  }
  const thrown = new Error('a bug');
  const buggy = blockDevice({ sectors: SECTORS, directAccess: () => { throw thrown; } });
  test.throws(() => buggy.readSync(buffer, 0), { code: 'EIO', reason: 'DRIVER_BROKEN', cause: thrown });
  for (const errno of [-19, -28, -5]) {
    const failing = blockDevice({ sectors: SECTORS, directAccess: () => errno });
    test.throws(() => failing.directAccess(0, 0), { name: 'DaxError', errno });
    test.throws(() => failing.readSync(buffer, 8192), { name: 'DaxError', errno, position: 8192 });
  }
  const told = new DaxError({ errno: 'EHWPOISON', syscall: 'x' });
  test.throws(() => blockDevice({ sectors: SECTORS, directAccess: () => { throw told; } }).readSync(buffer, 0), told);
});

t.test('the core asks in the order of its rules, and a driver never sees what they refuse', (test) => {
  const asked: [number, number][] = [];
  const { driver } = plain();
  const device = blockDevice({ ...driver, directAccess: (sector, size) => { asked.push([sector, size]); return driver.directAccess(sector, size); } });
  test.throws(() => device.directAccess(0, -5), { code: 'EIO' });
  test.throws(() => device.directAccess(SECTORS - 1, 4096), { code: 'ERANGE' });
  test.throws(() => device.directAccess(1, 512), { code: 'EINVAL' });
  test.strictSame(asked, []);
  test.equal(device.directAccess(8, 0).bytes, 0);
  test.equal(device.directAccess(8, 100).window.byteLength, 100, 'more than was asked for is cut (DA-4)');
  device.readSync(Buffer.alloc(10), 4090);
  test.strictSame(asked, [[8, 0], [8, 100], [0, 4100]], 'always from the start of a page');
  test.end();
});

t.test('progress comes before the error', async (test) => {
  const { driver } = plain(PAGE_SIZE);
  const device = blockDevice({ ...driver, directAccess: (sector, size) => (sector >= 16 ? -5 : driver.directAccess(sector, size)) });
  const buffer = Buffer.alloc(SIZE);
  test.equal(device.readSync(buffer, 0), 2 * PAGE_SIZE);
  test.equal(await device.write(buffer, 0), 2 * PAGE_SIZE);
  test.throws(() => device.readSync(buffer, 2 * PAGE_SIZE), { code: 'EIO', position: 2 * PAGE_SIZE });
});

t.test('options that a driver does not have are refused', (test) => {
  const { driver } = plain();
  test.throws(() => blockDevice({ ...driver, granularty: 'byte' } as Driver), { code: 'ERR_INVALID_ARG_VALUE', message: /granularity is meant/ });
  test.throws(() => blockDevice({ sectors: 8 } as unknown as Driver), { code: 'ERR_INVALID_ARG_TYPE' });
  test.throws(() => blockDevice({ ...driver, sectors: -1 }), { code: 'ERR_OUT_OF_RANGE' });
  test.throws(() => blockDevice({ ...driver, pageSize: 5000 }), { code: 'ERR_OUT_OF_RANGE' });
  test.end();
});

t.test('a read-only device refuses stores, and gives no window to make them through', (test) => {
  const { driver } = plain();
  const device = blockDevice({ ...driver, readOnly: true });
  test.throws(() => device.writeSync(Buffer.alloc(1), 0), { code: 'EROFS' });
  test.throws(() => device.zeroSync(0, 1), { code: 'EROFS' });
  test.throws(() => device.directAccess(0, 1).window, { code: 'EACCES', reason: 'READ_ONLY' });
  test.equal(device.readSync(Buffer.alloc(4), 0), 4);
  test.end();
});

t.test('unplugged, everything is ENODEV, windows are detached, and the driver is released once', async (test) => {
  let released = 0;
  const { driver } = plain();
  const device = blockDevice({ ...driver, release: () => { released++; } });
  const { window } = device.directAccess(0, PAGE_SIZE);
  device.unplug();
  device.unplug();
  await device.close();
  test.equal(released, 1);
  test.equal(window.byteLength, 0);
  const told = { code: 'ENODEV', reason: 'DEVICE_REMOVED' };
  const buffer = Buffer.alloc(10);
  const calls: (() => unknown)[] = [
    () => device.directAccess(0, 1),
    () => device.readSync(buffer, 0),
    () => device.writeSync(buffer, 0),
    () => device.zeroSync(0, 1),
    () => { device.flush(0, 1); },
    () => { device.drain(); },
    () => { device.persist(0, 1); },
    () => device.readvSync([buffer], 0),
  ];
  for (const call of calls) test.throws(call, told);
  await test.rejects(device.read(buffer, 0), told);
  await test.rejects(device.write(buffer, 0), told);
});

t.test('unplugged while copies are under way, they end: with what had moved, or ENODEV', async (test) => {
  const MIB = 1024 * 1024;
  for (const backed of [true, false]) {
    const { driver, below } = passThrough(64 * MIB);
    const device = blockDevice(backed ? driver : { sectors: driver.sectors, directAccess: (sector, wanted) => driver.directAccess(sector, wanted), release: () => { below.closeSync(); } });
    const buffer = Buffer.alloc(64 * MIB);
    const reads = [device.read(buffer, 0), device.read(Buffer.alloc(10), 0), device.write(buffer.subarray(MIB), 5)];
    device.unplug();
    for (const { status, ...result } of await Promise.allSettled(reads)) {
      if (status === 'fulfilled') test.ok((result as { value: number }).value >= 0);
      else test.match((result as { reason: unknown }).reason, { code: 'ENODEV', reason: 'DEVICE_REMOVED' });
    }
  }
});

t.test('a driver that unplugs its device in its answer is not believed', (test) => {
  const { driver } = plain();
  const device = blockDevice({
    ...driver,
    directAccess(sector, size) {
      device.unplug();
      return driver.directAccess(sector, size);
    },
  });
  test.throws(() => device.directAccess(0, 1), { code: 'ENODEV' });
  test.end();
});

t.test('close waits for what is under way', async (test) => {
  const { driver } = passThrough(16 * 1024 * 1024);
  const device = blockDevice(driver);
  const buffer = Buffer.alloc(16 * 1024 * 1024);
  const read = device.read(buffer, 0);
  const closed = device.close();
  await test.rejects(device.read(buffer, 0), { code: 'EBADF' });
  test.equal(await read, buffer.length);
  await closed;
});
