import { openSync as openFile, closeSync, readFileSync, readSync as readFile, statSync, truncateSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { openSync, partition, type AbortError, type DaxDevice } from 'node-dax';
import { MemoryDevice } from 'node-dax/testkit';
import { onEveryDevice, onEveryKind, scratchPath } from '../helpers/devices.js';
import { userEmulation } from '../helpers/emulated.js';
import { ON_HOST } from '../helpers/guest.js';
import { seeded, type Random } from '../helpers/random.js';

const KIB = 1024;
const MIB = 1024 * KIB;

function contents(device: DaxDevice, pos: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  device.readSync(bytes, pos);
  return bytes;
}

onEveryKind('lines that are invalidated keep what was stored to them, on the device and on a part of it, on', (test, wanted) => {
  const device = wanted.open();
  const part = partition(device, 8, 16);
  device.writeSync(Buffer.alloc(12 * KIB, 7), 0, { flush: false });
  device.invalidate(0, 12 * KIB);
  device.writeSync(Buffer.from('stored'), 4096 + 60, { flush: false });
  part.invalidate?.(60, 6);
  device.invalidate(device.size - 1, 1);
  device.invalidate(device.size, 0);
  test.equal(contents(device, 4096 + 58, 10).toString('latin1'), '\x07\x07stored\x07\x07');
  test.throws(() => { device.invalidate(device.size, 1); }, RangeError);
  test.throws(() => part.invalidate?.(2 * 4096 - 1, 2), RangeError);
  test.equal(typeof partition(new MemoryDevice(new Uint8Array(12 * KIB)), 8, 16).invalidate, 'undefined', 'a part of a device without it has none');
  device.closeSync();
  test.throws(() => { device.invalidate(0, 1); }, { code: 'EBADF', reason: 'DEVICE_CLOSED' });
});

onEveryDevice('what is written is read, at every alignment, on', (test, wanted) => {
  const device = wanted.open();
  device.zeroSync(0, 64 * KIB);
  const random = seeded(test);
  for (const pos of [0, 1, 63, 64, 65, 511, 512, 4095, 4096, 4097]) {
    for (const length of [0, 1, 7, 63, 64, 65, 255, 256, 257, 511, 512, 513, 4095, 4096, 4097, 20_000]) {
      const bytes = random.bytes(length);
      const around = contents(device, 0, 64 * KIB);
      if (device.writeSync(bytes, pos) !== length) test.fail(`not all of ${length} bytes at ${pos}`);
      around.set(bytes, pos);
      if (!contents(device, 0, 64 * KIB).equals(around)) test.fail(`${length} bytes at ${pos}`);
    }
  }
  test.equal(device.writeSync(Buffer.from('abc'), 10n), 3, 'a bigint position');
  test.equal(contents(device, 10, 3).toString(), 'abc');
  test.equal(device.writeSync(Buffer.from('__xyz__'), 10, { offset: 2, length: 3 }), 3);
  const read = Buffer.from('......');
  test.equal(device.readSync(read, 10, { offset: 1, length: 3 }), 3);
  test.equal(read.toString(), '.xyz..');
  const words = new Uint16Array([0x6161, 0x6262]);
  device.writeSync(words, 10);
  test.equal(device.readSync(new DataView(read.buffer, read.byteOffset, 4), 10), 4, 'any view will do');
  test.equal(read.toString('latin1', 0, 4), 'aabb');
});

onEveryKind('the end of', async (test, wanted) => {
  const device = wanted.open();
  const { size } = device;
  test.equal(device.readSync(Buffer.alloc(10), size), 0);
  test.equal(device.readSync(Buffer.alloc(10), size + 10 ** 9), 0);
  test.equal(await device.read(Buffer.alloc(MIB), size), 0);
  test.equal(device.writeSync(Buffer.from('last'), size - 2), 2, 'a write that crosses the end is shortened');
  const read = Buffer.alloc(10);
  test.equal(device.readSync(read, size - 2), 2);
  test.equal(read.toString('latin1', 0, 2), 'la');
  const full = { code: 'ENOSPC', reason: 'DEVICE_FULL', position: size };
  test.throws(() => device.writeSync(Buffer.from('x'), size), full);
  test.throws(() => device.zeroSync(size, 1), full);
  await test.rejects(device.write(Buffer.alloc(MIB), size), full);
  test.equal(device.writeSync(Buffer.alloc(0), size), 0);
  test.equal(await device.write(Buffer.alloc(2 * MIB, 7), size - MIB), MIB);
  test.equal(contents(device, size - 1, 1)[0], 7);
  test.equal(device.zeroSync(size - 5, 100), 5);
  test.equal(device.writevSync([Buffer.alloc(3, 1), Buffer.alloc(3, 2)], size - 4), 4);
  test.equal(device.readvSync([Buffer.alloc(3), Buffer.alloc(3)], size - 4), 4);
  test.throws(() => device.writevSync([Buffer.alloc(1)], size), full);
});

onEveryKind('segments of 1, 0, 4095 and 5000 bytes are one range of the device (IO-17)', async (test, wanted) => {
  const device = wanted.open();
  const random = seeded(test);
  const segments = [1, 0, 4095, 5000].map((length) => random.bytes(length));
  const all = Buffer.concat(segments);
  for (const write of ['writevSync', 'writev'] as const) {
    device.zeroSync(0, 16 * KIB);
    test.equal(await device[write](segments, 10), 9096);
    test.ok(contents(device, 10, 9096).equals(all), write);
    test.equal(contents(device, 9106, 1)[0], 0);
  }
  for (const read of ['readvSync', 'readv'] as const) {
    const targets = [5000, 1, 0, 4095].map((length) => Buffer.alloc(length));
    test.equal(await device[read](targets, 10n), 9096);
    test.ok(Buffer.concat(targets).equals(all), read);
  }
  test.equal(device.readvSync([], 0), 0);
  test.equal(await device.writev([], 0), 0);
  const large = [random.bytes(MIB), random.bytes(3)];
  test.equal(await device.writev(large, 1), MIB + 3);
  const back = [Buffer.alloc(5), Buffer.alloc(MIB - 2)];
  test.equal(await device.readv(back, 1), MIB + 3);
  test.ok(Buffer.concat(back).equals(Buffer.concat(large)));
});

onEveryKind('the asynchronous forms, small and large, on', async (test, wanted) => {
  const device = wanted.open();
  const random = seeded(test);
  for (const length of [0, 1, 4096, 256 * KIB, 256 * KIB + 1, 3 * MIB + 17]) {
    const bytes = Buffer.from(random.bytes(length));
    test.equal(await device.write(bytes, 77), length);
    const read = Buffer.alloc(length);
    test.equal(await device.read(read, 77n), length);
    test.ok(read.equals(bytes), `${length} bytes`);
    test.equal(await device.write(bytes, 0, { flush: false }), length);
    device.persist(0, length);
  }
  const part = Buffer.alloc(MIB, 1);
  test.equal(await device.read(part, 0, { offset: 100, length: 300 * KIB }), 300 * KIB);
  test.equal(part[99], 1);
  test.equal(part[100 + 300 * KIB], 1);
  test.ok(part.subarray(100, 100 + 300 * KIB).equals(contents(device, 0, 300 * KIB)));
});

onEveryKind('large copies leave the event loop free on', async (test, wanted) => {
  const device = wanted.open();
  const target = Buffer.alloc(4 * MIB);
  let turned = false;
  // On a busy machine this thread may come to its next turn after the reads.
  for (let round = 0; round < 50 && !turned; round++) {
    let settled = false;
    const reading = Promise.all(Array.from({ length: 8 }, () => device.read(target, 0))).then(() => (settled = true));
    await new Promise(setImmediate);
    turned = !settled;
    await reading;
  }
  test.ok(turned, 'the loop turned while the reads were under way');
});

onEveryKind('an AbortSignal on', async (test, wanted) => {
  const device = wanted.open();
  const aborted = AbortSignal.abort();
  for (const length of [1, MIB]) {
    await test.rejects(device.read(Buffer.alloc(length), 0, { signal: aborted }), { name: 'AbortError' });
    await test.rejects(device.write(Buffer.alloc(length), 0, { signal: aborted }), { name: 'AbortError' });
    await test.rejects(device.readv([Buffer.alloc(length)], 0, { signal: aborted }), { name: 'AbortError' });
    await test.rejects(device.writev([Buffer.alloc(length)], 0, { signal: aborted }), { name: 'AbortError' });
  }
  const controller = new AbortController();
  const reading = device.readv(Array.from({ length: 64 }, () => Buffer.alloc(MIB / 16)), 0, { signal: controller.signal });
  setImmediate(() => {
    controller.abort();
  });
  const error = await reading.then(() => undefined, (reason: unknown) => reason as AbortError);
  test.match(error, { name: 'AbortError', code: 'ABORT_ERR', cause: controller.signal.reason as unknown });
  const moved = error?.bytesMoved ?? 0;
  test.ok(moved > 0 && moved < 4 * MIB, `what moved before is told: ${moved}`);
  device.zeroSync(0, 4 * MIB);
  const ending = new AbortController();
  const writing = device.writev(Array.from({ length: 64 }, () => Buffer.alloc(MIB / 16, 'w')), 0, { signal: ending.signal });
  setImmediate(() => {
    ending.abort('enough');
  });
  const stopped = await writing.then(() => undefined, (reason: unknown) => reason as AbortError);
  test.match(stopped, { name: 'AbortError', cause: 'enough' }, 'a write that did not do it all does not resolve');
  const written = stopped?.bytesMoved ?? 0;
  test.ok(written > 0 && written < 4 * MIB);
  const found = contents(device, 0, 4 * MIB);
  test.ok(found.subarray(0, written).equals(Buffer.alloc(written, 'w')), 'what is told was written');
  test.ok(found.subarray(written).equals(Buffer.alloc(4 * MIB - written)), 'and nothing else');
});

onEveryDevice('flushing on', (test, wanted) => {
  const device = wanted.open();
  const view = device.view(0, 64 * KIB);
  view.fill(3);
  device.flush(0, 64 * KIB);
  device.flush(1n, 1n);
  device.drain();
  device.persist(100, 5000);
  device.persist(device.size - 1, 1);
  device.persist(device.size, 0);
  device.persist(0, 0);
  device.deepFlush();
  for (const [pos, length] of [
    [0, device.size + 1],
    [device.size, 1],
    [device.size + 1, 0],
  ] as const) {
    test.throws(() => {
      device.flush(pos, length);
    }, RangeError);
  }
  test.equal(contents(device, 65535, 1)[0], 3);
});

onEveryDevice('what other processes see of', (test, wanted) => {
  const device = wanted.open();
  device.writeSync(Buffer.from('through the page cache or not'), 4090);
  if (wanted.kind === 'devdax') {
    test.pass('a devdax has no read(2)');
    return;
  }
  const fd = openFile(wanted.path, 'r');
  const read = Buffer.alloc(29);
  readFile(fd, read, 0, 29, 4090);
  closeSync(fd);
  test.equal(read.toString(), 'through the page cache or not');
});

// Each stores the same bytes in the device and in a Buffer of its first bytes.
type Operation = (device: DaxDevice, model: Buffer, random: Random) => Promise<void> | void;

function storing(maximum: number, store: (device: DaxDevice, bytes: Uint8Array, pos: number, random: Random) => unknown) {
  const operation: Operation = async (device, model, random) => {
    const bytes = random.bytes(random.below(maximum));
    const pos = random.below(model.length - bytes.length + 1);
    await store(device, bytes, pos, random);
    model.set(bytes, pos);
  };
  return operation;
}

const OPERATIONS: readonly Operation[] = [
  storing(10_000, (device, bytes, pos, random) => device.writeSync(bytes, pos, { flush: random.below(2) === 0 })),
  storing(200, (device, bytes, pos) => device.write(bytes, pos)),
  storing(400 * KIB, (device, bytes, pos) => device.write(bytes, pos)),
  storing(10_000, (device, bytes, pos, random) => {
    const cut = random.below(bytes.length + 1);
    return device.writevSync([bytes.subarray(0, cut), new Uint8Array(0), bytes.subarray(cut)], pos);
  }),
  storing(10_000, (device, bytes, pos) => {
    device.view(pos, bytes.length).set(bytes);
    device.persist(pos, bytes.length);
  }),
  (device, model, random) => {
    const length = random.below(20_000);
    const pos = random.below(model.length - length + 1);
    device.zeroSync(pos, length, { flush: random.below(2) === 0 });
    model.fill(0, pos, pos + length);
  },
  // From the device to itself, where the ranges may overlap.
  (device, model, random) => {
    const length = random.below(20_000);
    const [from, to] = [random.below(model.length - length + 1), random.below(model.length - length + 1)];
    const near = Math.min(model.length - length, from + (to % 2000));
    device.writeSync(device.view(from, length), near, { flush: false });
    model.copy(model, near, from, from + length);
  },
  (device, model, random) => {
    const length = random.below(20_000);
    const pos = random.below(model.length - length + 1);
    const read = Buffer.alloc(length);
    device.readSync(read, pos);
    if (!read.equals(model.subarray(pos, pos + length))) throw new Error(`${length} bytes read at ${pos} differ`);
  },
];

for (const byCall of [false, true]) onEveryDevice(`random operations${byCall ? ' by calls' : ''} against a model on`, async (test, wanted) => {
  const device = wanted.open({ byCall });
  const random = seeded(test);
  const model = Buffer.alloc(MIB + 13);
  device.zeroSync(0, model.length);
  for (let step = 0; step < 200; step++) {
    await random.pick(OPERATIONS)(device, model, random);
    if (step % 20 === 0 && !contents(device, 0, model.length).equals(model)) test.fail(`step ${step} differs`);
  }
  test.ok(contents(device, 0, model.length).equals(model));
});

// How much of the mapping of `path` this process has touched, as the kernel tells it.
function touchedOf(path: string): string | undefined {
  const regions = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  return regions.find((region) => region.split('\n', 1)[0]?.endsWith(` ${path}`) === true)?.match(/^Rss: +(.*)$/m)?.[1];
}

t.test('writes by calls touch no page of the mapping, whether they flush or not', { skip: ON_HOST.skip || userEmulation }, (test) => {
  const path = scratchPath(test);
  using device = openSync(path, { size: MIB, byCall: true });
  const bytes = Buffer.alloc(MIB / 2, 'bytes');
  for (const [pos, flush] of [[0, true], [MIB / 2, false]] as const) test.equal(device.writeSync(bytes, pos, { flush }), MIB / 2);
  test.equal(touchedOf(path), '0 kB');
  test.ok(Buffer.from(device.view()).equals(Buffer.concat([bytes, bytes])), 'the mapping has the bytes');
  test.not(touchedOf(path), '0 kB');
  test.end();
});

t.test('copies by calls of a file that another shortens', { skip: ON_HOST.skip }, (test) => {
  const path = scratchPath(test);
  using device = openSync(path, { size: MIB, byCall: true });
  const bytes = Buffer.alloc(8192, 'bytes');
  truncateSync(path, 4096);
  test.equal(device.readSync(bytes, 0), 4096);
  test.throws(() => device.readSync(bytes, 8192), { code: 'EIO', position: 8192 });
  test.equal(device.writeSync(bytes, 8192, { flush: false }), 8192, 'it grows again');
  test.equal(statSync(path).size, 16_384);
  test.end();
});

t.test('a 64 GiB sparse file: its last byte', { skip: ON_HOST.skip || userEmulation }, async (test) => {
  const path = scratchPath(test);
  const size = 64 * 1024 ** 3;
  writeFileSync(path, '');
  truncateSync(path, size);
  const device = openSync(path);
  test.equal(device.size, size);
  test.equal(device.writeSync(Buffer.from('end'), size - 3), 3);
  test.equal(Buffer.from(device.view(size - 3, 3)).toString(), 'end');
  device.view(size / 2 - 1, 2).set([1, 2]);
  test.strictSame([...contents(device, size / 2 - 1, 2)], [1, 2], 'across a segment boundary');
  test.equal(device.view(size - 2 ** 31).byteLength, 2 ** 31);
  test.equal(device.view(5, 2 ** 31).byteLength, 2 ** 31, 'up to 2 GiB from any position');
  test.throws(() => device.view(4096, 2 ** 32), RangeError);
  test.equal(device.directAccess((size - 4096) / 512, 4096).bytes, 4096);
  let covered = 0;
  while (covered < size) covered += device.directAccess(covered / 512, size - covered).bytes;
  test.equal(covered, size, 'a loop of direct accesses covers the device');
  test.ok(statSync(path).blocks * 512 < 1024 * 1024, 'it is still sparse');
  await device.close();
});
