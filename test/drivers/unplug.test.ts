// Devices are unplugged while they are read, written, mapped, partitioned and mounted: what is under way ends, and nothing dies.

import '../helpers/assert-locks.js';

import t from 'tap';
import { blockDevice, DaxError, openScratch, PAGE_SIZE, partition, PROT_READ, SECTOR_SIZE, type BlockDevice, type DriverDevice } from 'node-dax';
import { linear, striped } from 'node-dax/drivers';
import { mkfsSync, mount } from 'node-dax/ext2';
import { seeded, type Random } from '../helpers/random.js';
import { amount } from '../helpers/thorough.js';

const ROUNDS = Number(process.env['NODE_DAX_TEST_ROUNDS'] ?? amount({ short: 60, thorough: 500, long: 10_000 }));
const MIB = 1024 * 1024;

/** A device that closes what it lies on when it goes. */
function pluggable(size: number): DriverDevice {
  const below = openScratch(size);
  return blockDevice({
    sectors: size / SECTOR_SIZE,
    directAccess: (sector, wanted) => below.directAccess(sector, wanted),
    backing: (pos) => ({ device: below, pos }),
    release: () => { below.closeSync(); },
  });
}

function plain(size: number): DriverDevice {
  const memory = new Uint8Array(size);
  return blockDevice({
    sectors: size / SECTOR_SIZE,
    directAccess: (sector) => ({ bytes: size - sector * SECTOR_SIZE, window: memory.subarray(sector * SECTOR_SIZE) }),
  });
}

// EAGAIN: a synchronous call on a file that asynchronous work has.
const GONE = ['ENODEV', 'EBADF', 'EIO', 'EAGAIN'];

function isGone(error: unknown): boolean {
  return error instanceof DaxError && GONE.includes(error.code);
}

/** Whether `work` is done; it may be refused because the device is gone. Anything else is thrown on. */
function attempt(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

// What stays.
const OTHER = openScratch(2 * MIB);

/** The device on its own, as a partition, and as a part of others. */
const AROUND: readonly ((device: DriverDevice) => BlockDevice)[] = [
  (device) => device,
  (device) => partition(device, 8, device.size / SECTOR_SIZE - 8),
  (device) => linear([device, OTHER]),
  (device) => striped([device, OTHER], { chunk: 2 * PAGE_SIZE }),
];

/** What is done to a device: each is begun, and may never get far. */
function worksOn(device: DriverDevice, whole: BlockDevice): (() => unknown)[] {
  const large = Buffer.alloc(MIB);
  return [
    () => whole.read?.(large, 0),
    // Where no file is.
    () => whole.write?.(large, whole.size - MIB),
    () => whole.readSync(large, 0),
    () => device.readv([large, Buffer.alloc(10)], 0),
    () => device.directAccess(0, PAGE_SIZE).window,
    () => { whole.persist(0, PAGE_SIZE); },
  ];
}

/** Begins all of them, and unplugs the device before one. Resolves when they have ended. */
async function unplugAmong(random: Random, device: DriverDevice, works: readonly (() => unknown)[]): Promise<void> {
  const at = random.below(works.length + 1);
  const underWay: Promise<unknown>[] = [];
  for (const [index, work] of works.entries()) {
    if (index === at) device.unplug();
    attempt(() => {
      const begun = work();
      if (begun instanceof Promise) underWay.push(begun);
    });
  }
  device.unplug();
  for (const result of await Promise.allSettled(underWay)) {
    if (result.status === 'rejected' && !isGone(result.reason)) throw result.reason;
  }
}

const choose = (random: Random): DriverDevice => (random.below(4) === 0 ? plain(2 * MIB) : pluggable(2 * MIB));

t.test(`unplugged while it is read, written and flushed, ${ROUNDS} times`, { timeout: 3_600_000 }, async (test) => {
  const random = seeded(test);
  for (let round = 0; round < ROUNDS; round++) {
    const device = choose(random);
    const whole = random.pick(AROUND)(device);
    const { window } = device.directAccess(0, PAGE_SIZE);
    await unplugAmong(random, device, worksOn(device, whole));
    if (attempt(() => device.readSync(Buffer.alloc(1), 0))) test.fail('it still reads');
    if (window.byteLength > 0) test.fail('a window is still there');
  }
  test.pass(`${ROUNDS} rounds`);
});

t.test('unplugged while a filesystem on it is in use, mapped and all', { timeout: 3_600_000 }, async (test) => {
  const random = seeded(test);
  const rounds = Math.ceil(ROUNDS / 20);
  for (let round = 0; round < rounds; round++) {
    const device = choose(random);
    const whole = random.pick(AROUND)(device);
    mkfsSync(whole, { blockSize: 4096 });
    const fs = mount(whole, { onWarning: () => undefined, lock: false });
    const file = fs.open(fs.create(fs.root, 'f'));
    file.writeSync(Buffer.alloc(MIB / 2, 'x'), 0);
    const view = device.backing === undefined ? undefined : new Uint8Array(file.mmap({ prot: PROT_READ }).buffer);
    const large = Buffer.alloc(MIB / 2, 'x');
    const works = [
      () => file.read(large, 0),
      () => file.write(large, MIB / 4),
      () => file.readSync(Buffer.alloc(100), 5),
      () => { fs.unlink(fs.root, 'f'); },
      () => fs.mkdir(fs.root, 'd'),
    ];
    await unplugAmong(random, device, works);
    attempt(() => file.writeSync(large, 0));
    attempt(() => { file.fsync(); });
    // Memory that is mapped stays.
    if (view !== undefined && view.byteLength > 0 && view[0] !== 0x78) test.fail(`a mapped page has become ${String(view[0])}`);
    attempt(() => { file.closeSync(); });
    attempt(() => { fs.unmount(); });
  }
  test.pass(`${rounds} rounds`);
});
