import { once } from 'node:events';
import { closeSync, openSync as openFile, truncateSync, writeFileSync, writeSync as writeFile } from 'node:fs';
import { MessageChannel } from 'node:worker_threads';
import t from 'tap';
import { openSync } from 'node-dax';
import { FILE_SIZE, onEveryDevice, onEveryKind, scratchPath } from '../helpers/devices.js';
import { ON_HOST } from '../helpers/guest.js';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

onEveryDevice('a view is the memory of', async (test, wanted) => {
  const device = wanted.open();
  device.zeroSync(0, 16384);
  const view = device.view(4090, 100);
  const again = device.view(4000, 200);
  test.equal(view.byteLength, 100);
  test.equal(view.buffer, again.buffer, 'views share one ArrayBuffer');
  view[3] = 42;
  test.equal(again[93], 42);
  const read = Buffer.alloc(1);
  device.readSync(read, 4093);
  test.equal(read[0], 42);
  device.writeSync(Buffer.from([43]), 4093);
  test.equal(view[3], 43);
  test.equal(device.view(device.size - 1, 1).byteLength, 1, 'the last byte');
  test.equal(device.view(device.size, 0).byteLength, 0);
  test.equal(wanted.open().view(4093, 1)[0], 43, 'another open sees it');
  for (const [pos, length] of [
    [device.size, 1],
    [device.size - 1, 2],
    [0, device.size + 1],
    [device.size + 1, 0],
    [2 ** 53 - 1, 1],
  ] as const) {
    test.throws(() => device.view(pos, length), RangeError);
  }
  await device.close();
  test.equal(view.byteLength, 0, 'closing detaches');
  test.equal(view[3], undefined);
});

t.test('a view without arguments is the whole device', ON_HOST, (test) => {
  const device = openSync(scratchPath(test), { size: 10_001 });
  test.equal(device.view().byteLength, 10_001);
  test.equal(device.view(10_000).byteLength, 1);
  device.closeSync();
  test.end();
});

t.test('a look at a few places of a large device takes little memory of V8\'s', ON_HOST, (test) => {
  const size = 16 * GIB;
  const device = openSync(scratchPath(test), { size });
  const few = [0, 5 * GIB + 10, size - 100].map((pos) => device.view(pos, 100));
  for (const { buffer } of few) test.ok(buffer.byteLength <= 8 * MIB, 'collecting garbage costs in proportion to it');
  const places = Array.from({ length: 40 }, (_, n) => n * 400 * MIB + 3);
  const views = places.map((pos) => device.view(pos, 10));
  test.ok(new Set(views.map(({ buffer }) => buffer)).size < 20, 'views of many places share a few large ones');
  for (const [index, view] of views.entries()) view[0] = index + 1;
  const read = Buffer.alloc(1);
  for (const [index, pos] of places.entries()) test.equal(device.readSync(read, pos) && read[0], index + 1);
  const long = device.view(0, 2 * GIB);
  test.equal(long[3], 1, 'a longer view of the same bytes');
  const [first] = few;
  long[99] = 7;
  test.equal(first?.[99], 7);
  device.closeSync();
  for (const view of [...few, ...views, long]) test.equal(view.byteLength, 0, 'closing detaches all');
  test.end();
});

onEveryKind('a view shows what write(2) writes to', (test, wanted) => {
  if (wanted.kind === 'devdax') {
    test.pass('a devdax has no write(2)');
    return;
  }
  const view = wanted.open().view(0, 4096);
  const fd = openFile(wanted.path, 'r+');
  writeFile(fd, Buffer.from('seen'), 0, 4, 100);
  closeSync(fd);
  test.equal(Buffer.from(view.subarray(100, 104)).toString(), 'seen');
});

t.test('windows of a device that no view holds', ON_HOST, (test) => {
  const GIB = 2 ** 30;
  const path = scratchPath(test);
  writeFileSync(path, '');
  truncateSync(path, 5 * GIB + 5000);
  const device = openSync(path);
  test.throws(() => device.view(), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
  const seen: [number, number][] = [];
  for (const { pos, window } of device.windows()) {
    seen.push([pos, window.byteLength]);
    window[window.byteLength - 1] = seen.length;
  }
  test.strictSame(seen, [[0, 2 * GIB], [2 * GIB, 2 * GIB], [4 * GIB, GIB + 5000]]);
  test.strictSame([2 * GIB, 4 * GIB, 5 * GIB + 5000].map((end) => device.view(end - 1, 1)[0]), [1, 2, 3]);
  const parts = [...device.windows(4n * 2n ** 30n - 10n, 25, 10)];
  test.strictSame(parts.map(({ pos, window }) => [pos - 4 * GIB, window.length]), [[-10, 10], [0, 10], [10, 5]]);
  test.equal(parts[0]?.window[9], 2);
  test.strictSame([...device.windows(device.size)], []);
  for (const wrong of [() => device.windows(0, 1, 0), () => device.windows(0, 1, 2 ** 31 + 1), () => device.windows(0, 2 ** 40)]) {
    test.throws(wrong, { code: 'ERR_OUT_OF_RANGE' });
  }
  device.closeSync();
  test.equal(parts[0]?.window.byteLength, 0);
  test.throws(() => device.windows(), { code: 'EBADF' });
  test.end();
});

t.test('truncate', ON_HOST, async (test) => {
  const path = scratchPath(test);
  const device = openSync(path, { size: FILE_SIZE });
  const before = device.view(0, 4096);
  before[0] = 1;

  device.truncateSync(FILE_SIZE + 12_345);
  test.equal(device.size, FILE_SIZE + 12_345);
  test.equal(before[0], 1, 'growing leaves views alone');
  test.equal(device.view(FILE_SIZE, 12_345).every((byte) => byte === 0), true, 'what is new is zero');
  before[1] = 2;
  test.equal(device.view(1, 1)[0], 2, 'old and new views show the same memory');

  await device.truncate(4097n);
  test.equal(device.size, 4097);
  test.equal(before.byteLength, 0, 'shrinking detaches what is cut, of both generations');
  test.strictSame([...device.view(0, 2)], [1, 2]);
  test.equal(device.readSync(Buffer.alloc(10), 4096), 1);
  test.throws(() => device.view(4096, 2), RangeError);

  device.view(4096, 1)[0] = 9;
  const kept = device.view(0, 10);
  device.truncateSync(8192);
  device.truncateSync(5000);
  test.equal(kept.byteLength, 10, 'a view of an older, shorter mapping that is not cut lives on');
  test.strictSame([...device.view(4096, 4)], [9, 0, 0, 0]);

  device.truncateSync(0);
  test.equal(device.size, 0);
  test.equal(device.readSync(Buffer.alloc(10), 0), 0);
  test.throws(() => device.writeSync(Buffer.alloc(10), 0), { code: 'ENOSPC' });
  test.equal(device.view(0, 0).byteLength, 0);
  device.drain();
  device.truncateSync(100);
  test.equal(device.writeSync(Buffer.alloc(200, 5), 0), 100);
  await device.close();
  test.equal(openSync(path).size, 100);
});

t.test('truncate while reads are under way', ON_HOST, async (test) => {
  const device = openSync(scratchPath(test), { size: 64 * 1024 * 1024 });
  const target = Buffer.alloc(device.size);
  const reading = device.read(target, 0);
  test.throws(() => {
    device.truncateSync(10);
  }, { code: 'EBUSY' });
  const truncating = device.truncate(10);
  test.equal(await reading, target.length, 'the read is whole');
  await truncating;
  test.equal(device.size, 10);
  await device.close();
});

onEveryKind('truncating', (test, wanted) => {
  const device = wanted.open();
  if (wanted.kind === 'file' || wanted.kind === 'fsdax') {
    device.truncateSync(FILE_SIZE - 1);
    test.equal(device.size, FILE_SIZE - 1);
    return;
  }
  test.throws(() => {
    device.truncateSync(4096);
  }, { code: 'EINVAL', reason: 'FIXED_SIZE' });
});

// Of Node 22 and later.
type Transfer = (this: ArrayBuffer) => ArrayBuffer;
const transfers = ['transfer', 'transferToFixedLength'].flatMap((name) => {
  const transfer = (ArrayBuffer.prototype as unknown as Record<string, Transfer | undefined>)[name];
  return transfer === undefined ? [] : [{ name, transfer }];
});
const withTransfer = transfers.length > 0 ? ON_HOST : { skip: `ArrayBuffer.prototype.transfer is not in Node ${process.version}` };

t.test('the memory of a view is not transferred', withTransfer, (test) => {
  const device = openSync(scratchPath(test), { size: 8192 });
  const view = device.view(0, 10);
  for (const { name } of transfers) {
    const buffer = view.buffer as unknown as Record<string, () => unknown>;
    test.throws(() => buffer[name]?.(), { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE', message: /slice/ }, name);
  }
  test.strictSame(Object.keys(view.buffer), []);
  test.equal(view.byteLength, 10);
  device.closeSync();
  test.equal(view.byteLength, 0);
  test.end();
});

t.test('a view that was transferred away by the language itself', withTransfer, (test) => {
  for (const { name, transfer } of transfers) {
    const device = openSync(scratchPath(test), { size: 8192 });
    const view = device.view(0, 10);
    const moved = new Uint8Array(transfer.call(view.buffer as ArrayBuffer));
    moved[0] = 7;
    test.equal(device.view(0, 1)[0], 7, `${name}: the next view works`);
    device.closeSync();
    test.strictSame([moved.length, moved[0]], [8192, 0], 'what was taken away is zeros once the device is closed');
    moved[0] = 8;
    test.equal(moved[0], 8);
  }
  test.end();
});

t.test('what clones a view never has the memory of the device', ON_HOST, async (test) => {
  const device = openSync(scratchPath(test), { size: 8192 });
  const view = device.view(0, 10);
  const buffer = view.buffer as ArrayBuffer;
  const { port1, port2 } = new MessageChannel();
  const ways: Record<string, () => Promise<Uint8Array>> = {
    structuredClone: () => new Promise((resolve) => { resolve(structuredClone(view, { transfer: [buffer] })); }),
    postMessage: async () => {
      port1.postMessage(view, [buffer]);
      return ((await once(port2, 'message')) as [Uint8Array])[0];
    },
  };
  for (const [way, clone] of Object.entries(ways)) {
    // Some releases of Node copy, others refuse.
    const copy = await clone().catch((error: unknown) => {
      test.match(error, { name: 'DataCloneError' }, way);
      return undefined;
    });
    test.equal(view.byteLength, 10, `${way}: the view stays`);
    if (copy !== undefined) copy[0] = 9;
    test.equal(view[0], 0);
  }
  port1.close();
  await device.close();
  test.equal(view.byteLength, 0);
});
