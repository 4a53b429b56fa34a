// The cases of direct access (1 to 11 of the specification), on a memory device, and on every real one.

import t from 'tap';
import {
  bdevDirectAccess,
  DaxError,
  PAGE_SIZE,
  partition,
  SECTOR_SIZE,
  type BlockDevice,
  type DirectAccess,
  type DirectAccessOp,
} from 'node-dax';
import { onEveryDevice, onEveryKind } from '../helpers/devices.js';
import { ON_HOST } from '../helpers/guest.js';
import { frameOf } from '../helpers/page-frame.js';

const SECTORS = 64;
const memory = new Uint8Array(128 * SECTOR_SIZE).fill(0xa5);
let calls = 0;

function answer(sector: number, bytes: number): DirectAccess {
  calls++;
  return { bytes, window: memory.subarray(sector * SECTOR_SIZE), pfn: (sector * SECTOR_SIZE) / PAGE_SIZE };
}
const pmem: DirectAccessOp = (sector) => answer(sector, memory.length - sector * SECTOR_SIZE);
const brd: DirectAccessOp = (sector) => answer(sector, PAGE_SIZE);

const access = (op: DirectAccessOp | undefined, sector: number, size: number) =>
  bdevDirectAccess(op, SECTORS, sector, size);

// Only direct access is asked of it.
function blockDevice(op: DirectAccessOp, sectors: number): BlockDevice {
  const directAccess: BlockDevice['directAccess'] = (sector, size) => bdevDirectAccess(op, sectors, sector, size);
  return { size: sectors * SECTOR_SIZE, granularity: 'byte', directAccess } as unknown as BlockDevice;
}

t.test('sectors 0 and 8 are the first bytes of two pages (DA-6)', ON_HOST, (test) => {
  const first = access(pmem, 0, 4096);
  test.match(first, { bytes: 4096, pfn: 0 });
  test.equal(first.window.byteOffset, 0);
  const second = access(pmem, 8, 4096);
  test.equal(second.window.byteOffset, 4096);
  test.equal(second.pfn, 1);
  test.end();
});

t.test('pmem gives the whole request, brd a page (DA-4)', ON_HOST, (test) => {
  test.equal(access(pmem, 0, 16384).bytes, 16384);
  const short = access(brd, 0, 16384);
  test.equal(short.bytes, 4096);
  test.equal(short.window.byteLength, 4096);
  test.end();
});

t.test('a sector within a page is EINVAL (DA-3)', ON_HOST, (test) => {
  test.throws(() => access(pmem, 1, 512), { code: 'EINVAL', errno: -22 });
  test.throws(() => access(pmem, 7, 512), { code: 'EINVAL' });
  test.equal(access(pmem, 16, 512).bytes, 512);
  test.end();
});

t.test('the end is fine, past it is ERANGE (DA-1)', ON_HOST, (test) => {
  test.equal(access(pmem, 56, 4096).bytes, 4096);
  test.throws(() => access(pmem, 56, 4097), { code: 'ERANGE', errno: -34 });
  test.end();
});

t.test('the range is checked before the alignment (DA-2)', ON_HOST, (test) => {
  test.throws(() => access(pmem, 61, 4096), { code: 'ERANGE' });
  test.end();
});

t.test('partitions count from their start, alignment is absolute (DA-3)', ON_HOST, (test) => {
  const disk = blockDevice(pmem, SECTORS);
  test.equal(partition(disk, 8, 8).directAccess(0, 4096).window.byteOffset, 4096);
  const odd = partition(blockDevice(pmem, 128), 63, 64);
  test.throws(() => odd.directAccess(0, 512), { code: 'EINVAL' });
  test.equal(odd.directAccess(1, 512).window.byteOffset, 32768);
  test.throws(() => partition(disk, 8, 8).directAccess(0, 4097), { code: 'ERANGE' });
  test.equal(partition(partition(disk, 8, 40), 8, 8).directAccess(0, 1).window.byteOffset, 8192, 'nested');
  test.throws(() => partition(disk, 8, 57), RangeError);
  test.throws(() => partition(disk, -1, 1), RangeError);
  test.end();
});

t.test('an errno as the size comes straight out (DA-1)', ON_HOST, (test) => {
  calls = 0;
  test.throws(() => access(pmem, 0, -5), { code: 'EIO', errno: -5 });
  test.throws(() => access(pmem, 10 ** 9, -5), { code: 'EIO', errno: -5 });
  test.throws(() => partition(blockDevice(pmem, SECTORS), 8, 8).directAccess(10 ** 9, -5), { code: 'EIO', errno: -5 });
  test.equal(calls, 0);
  test.end();
});

t.test('a device without the operation is EOPNOTSUPP, even out of range (DA-1)', ON_HOST, (test) => {
  test.throws(() => access(undefined, 0, 4096), { code: 'EOPNOTSUPP', errno: -95 });
  test.throws(() => access(undefined, 10 ** 9, 0), { code: 'EOPNOTSUPP' });
  test.throws(() => access(undefined, 0, -5), { code: 'EIO', errno: -5 });
  test.end();
});

t.test('no bytes are legal within the device, and ERANGE at its end (DA-5)', ON_HOST, (test) => {
  const empty = access(pmem, 0, 0);
  test.equal(empty.bytes, 0);
  test.equal(empty.window.byteLength, 0);
  test.throws(() => bdevDirectAccess(pmem, 128, 128, 0), { code: 'ERANGE' }, 'at the end of the disk');
  test.equal(partition(blockDevice(pmem, SECTORS), 0, 8).directAccess(8, 0).bytes, 0, 'at the end of a partition');
  test.end();
});

t.test('what a driver answers comes out, except for 0 and less than a page (DA-1, DA-7)', ON_HOST, (test) => {
  const driver = (bytes: number): DirectAccessOp => {
    return (sector) => {
      if (bytes < 0) throw new DaxError({ errno: bytes, syscall: 'directAccess' });
      return answer(sector, bytes);
    };
  };
  test.throws(() => access(driver(0), 0, 4096), { code: 'ERANGE' });
  test.throws(() => access(driver(100), 0, 4096), { code: 'ENXIO' });
  test.throws(() => access(driver(-19), 0, 4096), { code: 'ENODEV' });
  test.throws(() => access(driver(-28), 0, 4096), { code: 'ENOSPC' });
  test.end();
});

t.test('a page that nobody touched is there, and is zeros (DA-6)', ON_HOST, (test) => {
  // As brd: a page is made when it is first asked for, even to be read.
  const pages = new Map<number, Uint8Array>();
  const lazy: DirectAccessOp = (sector) => {
    const page = pages.get(sector) ?? new Uint8Array(PAGE_SIZE);
    pages.set(sector, page);
    return { bytes: PAGE_SIZE, window: page, pfn: undefined };
  };
  const { bytes, window } = bdevDirectAccess(lazy, 1600, 800, 16384);
  test.equal(bytes, PAGE_SIZE);
  test.strictSame([...pages.keys()], [800]);
  test.ok(window.every((byte) => byte === 0));
  window[5] = 7;
  test.equal(bdevDirectAccess(lazy, 1600, 800, 4096).window[5], 7, 'the same page again');
  test.end();
});

onEveryKind('direct access gives bytes of the device itself (DA-6)', (test, wanted) => {
  const device = wanted.open();
  const { window, bytes } = device.directAccess(8n, 8192);
  test.equal(bytes, 8192);
  window.fill(0x5a);
  const read = new Uint8Array(8192);
  device.readSync(read, 4096);
  test.strictSame(read, new Uint8Array(8192).fill(0x5a), 'the window is the device');
  device.persist(4096, 8192);
  const sectors = Math.floor(device.size / SECTOR_SIZE);
  test.equal(device.directAccess(sectors - 8, 4096).bytes, 4096);
  test.throws(() => device.directAccess(sectors - 8, 4097), { code: 'ERANGE' });
  test.throws(() => device.directAccess(sectors, 0), { code: 'ERANGE' });
  test.throws(() => device.directAccess(1, 1), { code: 'EINVAL' });
  test.throws(() => device.directAccess(2 ** 53, 1), RangeError);
  test.throws(() => device.directAccess('0' as unknown as number, 1), TypeError);
  const part = partition(device, 16, 16);
  part.directAccess(0, 4096).window[0] = 1;
  test.equal(part.readSync(read, 0), 8192);
  test.equal(read[0], 1);
  test.equal(device.directAccess(16, 1).window[0], 1);
});

onEveryKind('direct access to a read-only', (test, wanted) => {
  wanted.open().writeSync(Buffer.from('kept'), 4096);
  const device = wanted.open({ readOnly: true });
  const access = device.directAccess(8, 4096);
  test.equal(access.bytes, 4096);
  if (wanted.kind === 'devdax') {
    test.throws(() => access.window, { code: 'EACCES', reason: 'DEVDAX_PRIVATE' }, 'only who looks is refused');
    return;
  }
  test.equal(Buffer.from(access.window.subarray(0, 4)).toString(), 'kept');
  device.closeSync();
  test.throws(() => access.window, { code: 'EBADF' });
});

onEveryDevice('the pfn of', (test, wanted) => {
  const device = wanted.open();
  // A block that is allocated, and mapped into this process by the store.
  device.writeSync(Buffer.from('x'), 4096);
  const { pfn } = device.directAccess(8, 4096);
  if (!wanted.isDax) {
    test.equal(pfn, undefined, 'the page cache has no place of its own');
    return;
  }
  test.equal(pfn, frameOf(device.path, 4096), 'is what the kernel says is mapped');
  if (wanted.kind === 'devdax') test.equal(pfn, (Number(device.facts.resource) + 4096) / PAGE_SIZE);
  const part = partition(device, 8, 8);
  test.equal(part.directAccess(0, 512).pfn, pfn);
});

onEveryKind('partitions of', (test, wanted) => {
  const device = wanted.open();
  device.zeroSync(0, 65536);
  const part = partition(device, 9, 5);
  test.equal(part.size, 2560);
  test.equal(part.writeSync(Buffer.alloc(4000, 1), 1000), 1560, 'a write ends at the end of the partition');
  test.throws(() => part.writeSync(Buffer.alloc(1), 2560), { code: 'ENOSPC' });
  test.equal(part.zeroSync(2000, 100_000), 560);
  test.equal(part.readSync(new Uint8Array(10), 2560), 0);
  const all = Buffer.alloc(16384);
  device.readSync(all, 0);
  const wantedBytes = Buffer.alloc(16384);
  wantedBytes.fill(1, 9 * 512 + 1000, 9 * 512 + 2000);
  test.ok(all.equals(wantedBytes), 'no byte outside the partition changed');
  part.flush(0, 2560);
  part.drain();
  part.persist(1, 1);
  test.throws(() => {
    part.persist(1, 2560);
  }, RangeError);
});
