// Words that are stored at once, and bytes that are durable before the word that publishes them, on every kind of device.

import { Worker } from 'node:worker_threads';
import t from 'tap';
import { crc32c, openSync, partition } from 'node-dax';
import { onEveryKind, scratchPath } from '../helpers/devices.js';
import { ON_HOST } from '../helpers/guest.js';

onEveryKind('words on', (test, wanted) => {
  const device = wanted.open();
  const all = 2n ** 64n - 1n;
  for (const pos of [0, 8, 4096, device.size - 8, BigInt(device.size - 8)]) {
    for (const value of [all, 0x0102030405060708n, 2n ** 53n, 0n]) {
      device.storeU64(pos, value);
      test.equal(device.loadU64(pos), value);
    }
  }
  device.storeU64(16, 0x0102030405060708n, { flush: false });
  test.strictSame([...device.view(16, 8)], [8, 7, 6, 5, 4, 3, 2, 1], 'little-endian');
  device.storeU64(16, 7);
  test.equal(device.loadU64(16), 7n, 'a number is as good');
  for (const pos of [1, 4, 7, 4095]) {
    test.throws(() => { device.storeU64(pos, 1n); }, { code: 'EINVAL', reason: 'OFFSET_UNALIGNED', position: pos });
    test.throws(() => device.loadU64(pos), { code: 'EINVAL', reason: 'OFFSET_UNALIGNED', position: pos });
    test.throws(() => device.publishSync(new Uint8Array(1), new Uint8Array(1), 64, pos, 1), { code: 'EINVAL', reason: 'OFFSET_UNALIGNED' });
  }
  for (const value of [-1, -1n, 2n ** 64n, 0.5, 2 ** 53]) test.throws(() => { device.storeU64(0, value); }, RangeError);
  test.throws(() => { device.storeU64(0, '1' as unknown as bigint); }, TypeError);
  test.throws(() => { device.storeU64(device.size, 1n); }, RangeError);
  test.throws(() => device.loadU64(device.size), RangeError);

  const head = Uint8Array.of(0, 0, 0, 0, 5, 6, 7);
  const body = Uint8Array.of(8, 9, 10);
  test.equal(device.publishSync(head, body, 8185, 24, 99n), 10, 'over the end of a page');
  test.equal(device.loadU64(24), 99n);
  test.strictSame([...device.view(8185, 10)], [0, 0, 0, 0, 5, 6, 7, 8, 9, 10]);
  test.equal(device.publishSync(head, body, 4096, 24, 100, 77), 10);
  const checksum = crc32c(Uint8Array.of(5, 6, 7, 8, 9, 10), 77);
  test.equal(Buffer.from(device.view(4096, 4)).readUInt32LE(), checksum, 'with its checksum before it');
  const big = Buffer.alloc(100_001, 3);
  test.equal(device.publishSync(head, big, 12_345, 24, 101), 100_008);
  test.ok(Buffer.from(device.view(12_352, 100_001)).equals(big));
  test.equal(device.publishSync(new Uint8Array(0), new Uint8Array(0), 0, 24, 102), 0, 'a word alone');
  test.equal(device.loadU64(24), 102n);
  test.throws(() => device.publishSync(head, big, device.size - 100, 24, 103), RangeError);
  test.throws(() => device.publishSync(body, big, 0, 24, 103, 1), RangeError, 'no room for a checksum');
  test.throws(() => device.publishSync(head, 'text' as unknown as Uint8Array, 0, 24, 103), TypeError);
  test.equal(device.loadU64(24), 102n, 'nothing of what was refused');

  const part = partition(device, 8, 16);
  part.storeU64?.(8, 55n);
  test.equal(device.loadU64(4104), 55n);
  test.equal(part.loadU64?.(8), 55n);
  test.equal(part.publishSync?.(head, body, 100, 8, 56n), 10);
  test.equal(device.loadU64(4104), 56n);
  test.throws(() => part.loadU64?.(16 * 512), RangeError);

  const reader = openSync(wanted.path, { readOnly: true });
  test.equal(reader.loadU64(24), 102n);
  test.throws(() => { reader.storeU64(24, 1n); }, { code: 'EROFS' });
  test.throws(() => reader.publishSync(head, body, 0, 24, 1n), { code: 'EROFS' });
  reader.closeSync();
  test.throws(() => reader.loadU64(24), { code: 'EBADF' });
});

t.test('CRC32C is that of RFC 3720, however the bytes are divided', ON_HOST, (test) => {
  test.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  test.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  test.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  test.equal(crc32c(new Uint8Array(0)), 0);
  const bytes = Uint8Array.from({ length: 5000 }, (_, index) => (index * 31 + Math.floor(index / 7)) % 256);
  const table = Uint32Array.from({ length: 256 }, (_, byte) => {
    let row = byte;
    for (let bit = 0; bit < 8; bit++) row = (row >>> 1) ^ ((row & 1) === 1 ? 0x82f63b78 : 0);
    return row;
  });
  const simple = (part: Uint8Array): number => {
    let crc = 0xffffffff;
    for (const byte of part) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] as number);
    return ~crc >>> 0;
  };
  for (const length of [1, 7, 8, 9, 63, 255, 767, 768, 769, 1536, 2303, 5000]) {
    test.equal(crc32c(bytes, 0, 0, length), simple(bytes.subarray(0, length)), `${length} bytes`);
    const middle = Math.floor(length / 3);
    test.equal(crc32c(bytes, crc32c(bytes, 0, 0, middle), middle, length - middle), simple(bytes.subarray(0, length)), 'in two parts');
  }
  test.throws(() => crc32c(bytes, 0, 4999, 2), RangeError);
  test.throws(() => crc32c('text' as unknown as Uint8Array), TypeError);
  test.end();
});

t.test('a thread finds no half of a word', ON_HOST, async (test) => {
  const path = scratchPath(test, '/dev/shm');
  const device = openSync(path, { size: 8192 });
  test.teardown(() => device.close());
  // Both halves of a word are the same number.
  const code = `
    const { workerData, parentPort } = require('node:worker_threads');
    const { openSync } = require('node-dax');
    const { path, changes } = workerData;
    const device = openSync(path, { readOnly: true });
    let torn = 0, last = 0n;
    while (last !== 0xffffffff_ffffffffn) {
      const word = device.loadU64(4088);
      if (word >> 32n !== (word & 0xffffffffn)) torn++;
      if (word !== last) Atomics.add(changes, 0, 1);
      last = word;
    }
    parentPort.postMessage(torn);`;
  device.storeU64(4088, 0n);
  const changes = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(code, { eval: true, workerData: { path, changes } });
  const answer = new Promise<number>((resolve, reject) => {
    worker.on('message', resolve).on('error', reject);
  });
  // Until the thread has begun, and has seen many of them.
  for (let round = 0n; Atomics.load(changes, 0) < 10_000; round++) {
    device.storeU64(4088, round * 0x1_0000_0001n, { flush: false });
    // A thread that fails ends the test.
    if (round % 10_000n === 0n) await Promise.race([answer, new Promise(setImmediate)]);
  }
  device.storeU64(4088, 0xffffffff_ffffffffn);
  test.equal(await answer, 0);
});
