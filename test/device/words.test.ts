// Words that are stored at once, and bytes that are durable before the word that publishes them, on every kind of device.

import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { crc32c, openSync, partition, type DaxDevice, type RecordPublisher } from 'node-dax';
import { onEveryKind, scratchPath } from '../helpers/devices.js';
import { ON_HOST } from '../helpers/guest.js';

/** A record as it is to lie on the device. */
function recordOf(content: Uint8Array, sequence: number, seed: number): Buffer {
  const record = Buffer.alloc(16 + content.length);
  record.writeUInt32LE(content.length, 4);
  record.writeBigUInt64LE(BigInt(sequence), 8);
  record.set(content, 16);
  record.writeUInt32LE(crc32c(record, seed, 4), 0);
  return record;
}

const HEADS = { headSize: 16, unit: 16, seed: 77 };

/** Fills the head of the next record of `publisher`, or of the one after `index` others. */
function putHead({ heads }: RecordPublisher, length: number, sequence: number, index = 0): void {
  const data = new DataView(heads.buffer, heads.byteOffset + 16 * index, 16);
  data.setUint32(4, length, true);
  data.setBigUint64(8, BigInt(sequence), true);
}

function checkPublisher(test: Test, device: DaxDevice): void {
  const publisher = device.recordPublisher(24, HEADS);
  const publish = (content: NodeJS.ArrayBufferView, sequence: number, pos: number, word: number, end = 0): number => {
    putHead(publisher, content.byteLength, sequence);
    return publisher.publish(content, pos, end, word);
  };
  const lies = (pos: number, record: Uint8Array): boolean => Buffer.from(device.view(pos, record.length)).equals(record);
  const filling = Uint8Array.from({ length: 100_001 }, (_, index) => (index * 7 + Math.floor(index / 251)) % 256);
  // Stored by lines, streamed, in pieces; each at every place within a line, and over the end of a page.
  for (const length of [0, 1, 47, 48, 49, 64, 447, 448, 449, 1024, 4096, 5000, 100_001]) {
    for (const pos of [8192, 8192 + 16, 8192 + 48, 8185, 12_345]) {
      const content = filling.subarray(0, length);
      const sequence = 2 ** 40 + length;
      test.equal(publish(content, sequence, pos, pos + length), 16 + length);
      if (!lies(pos, recordOf(content, sequence, 77)) || device.loadU64(24) !== BigInt(pos + length)) test.fail(`${length} bytes at ${pos}`);
    }
  }
  publish(device.view(12_352, 5000), 3, 12_400, 0);
  test.ok(crc32c(device.view(12_404, 5012), 77) === Buffer.from(device.view(12_400, 4)).readUInt32LE(), 'a record that is stored over itself');
  test.equal(publish(new Uint16Array([0x0201, 0x0403]), 5, 8192, 98), 20, 'other views');
  test.ok(lies(8192, recordOf(Uint8Array.of(1, 2, 3, 4), 5, 77)));
  test.equal(publish(new DataView(filling.buffer, 1, 3), 6, 8192, 99), 19);
  test.ok(lies(8192, recordOf(filling.subarray(1, 4), 6, 77)));

  const many = [0, 1, 16, 17, 1000].map((length) => filling.subarray(length, 2 * length));
  const batch = { from: 1, to: 5, size: 32 + 32 + 48 + 1024, pos: 16_384, end: 0, word: 101 };
  for (let index = 1; index < 5; index++) putHead(publisher, (many[index] as Uint8Array).length, 8 + index, index - 1);
  device.writeSync(Buffer.alloc(2048, 0xff), 16_384);
  test.equal(publisher.publishMany(many, batch), batch.size);
  test.equal(device.loadU64(24), 101n);
  const places = [16_384, 16_384 + 32, 16_384 + 64, 16_384 + 112];
  for (const [index, pos] of places.entries()) test.ok(lies(pos, recordOf(many[index + 1] as Uint8Array, 9 + index, 77)));
  test.strictSame([...device.view(16_384 + 17, 15)], Array<number>(15).fill(0), 'zeros between them');

  const end = device.size;
  test.throws(() => publisher.publish(filling, end - 100, end, 103), RangeError);
  for (const [pos, free, word] of [[8192, -1, 1], [-1, 0, 1], [8192, 0, -1], [8192, NaN, 1], [NaN, 0, 1], [2 ** 60, 0, 1]] as const) {
    test.throws(() => publisher.publish(filling, pos, free, word), RangeError);
  }
  test.throws(() => publisher.publish('text' as unknown as Uint8Array, 8192, 0, 103), TypeError);
  const detached = new Uint8Array(8);
  structuredClone(detached, { transfer: [detached.buffer] });
  test.throws(() => publisher.publish(detached, 8192, 0, 103), TypeError);
  for (const size of [batch.size - 16, batch.size + 16]) test.throws(() => publisher.publishMany(many, { ...batch, size }), RangeError);
  test.throws(() => publisher.publishMany(many, { ...batch, to: 6 }), RangeError);
  test.throws(() => publisher.publishMany([new Uint8Array(1), 'text' as unknown as Uint8Array], { ...batch, from: 0, to: 2 }), TypeError);
  const tooMany = new Array<Uint8Array>(257).fill(new Uint8Array(0));
  test.throws(() => publisher.publishMany(tooMany, { ...batch, from: 0, to: 257, size: 257 * 16 }), RangeError);
  test.throws(() => publisher.publishMany([filling], { ...batch, from: 0, to: 1, size: 100_032 }), RangeError);
  test.throws(() => publisher.publishMany(many, { ...batch, pos: end - 100 }), RangeError);
  for (const wrong of [{ seed: -1 }, { headSize: 3 }, { headSize: 65 }, { unit: 0 }]) test.throws(() => device.recordPublisher(24, { ...HEADS, ...wrong }), RangeError);
  test.throws(() => device.recordPublisher(end, HEADS), RangeError);
  test.equal(device.loadU64(24), 101n, 'nothing of what was refused');
}

/** Records one after the other: each begins in the line in which the one before it ended. */
function checkNeighbours(test: Test, device: DaxDevice): void {
  const publisher = device.recordPublisher(40, HEADS);
  const start = 32_768;
  const size = 8192;
  for (const free of [0, size]) {
    const wanted = Buffer.alloc(size, 0xee);
    device.writeSync(wanted, start);
    let at = 7;
    for (let sequence = 1; at < 6000; sequence++) {
      const content = Buffer.alloc((sequence * 37) % 300, sequence);
      putHead(publisher, content.length, sequence);
      publisher.publish(content, start + at, start + free, sequence);
      recordOf(content, sequence, 77).copy(wanted, at);
      at += 16 + content.length;
      // Only the rest of the line is given up, and only where it is free.
      const line = Math.ceil(at / 64) * 64;
      const lies = Buffer.from(device.view(start, size));
      if (free > 0 && lies[at] === 0) wanted.fill(0, at, line);
      if (!lies.equals(wanted)) test.fail(`after record ${sequence}, ${free} bytes free`);
      if (sequence % 5 === 0) {
        // Something else is stored before the next record.
        device.writeSync(Buffer.of(0xaa), start + at);
        wanted[at++] = 0xaa;
        publisher.stored();
      }
    }
  }
  // The line of the last record was stored to by others.
  device.writeSync(Buffer.alloc(64, 1), start);
  publisher.publish(Buffer.alloc(0), start, 0, 1);
  device.writeSync(Buffer.alloc(16, 2), start);
  publisher.stored();
  publisher.publish(Buffer.alloc(0), start + 16, 0, 1);
  test.strictSame([...device.view(start, 16)], Array<number>(16).fill(2));
}

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
    test.throws(() => device.recordPublisher(pos, HEADS), { code: 'EINVAL', reason: 'OFFSET_UNALIGNED', position: pos });
  }
  for (const value of [-1, -1n, 2n ** 64n, 0.5, 2 ** 53]) test.throws(() => { device.storeU64(0, value); }, RangeError);
  test.throws(() => { device.storeU64(0, '1' as unknown as bigint); }, TypeError);
  test.throws(() => { device.storeU64(device.size, 1n); }, RangeError);
  test.throws(() => device.loadU64(device.size), RangeError);

  checkPublisher(test, device);
  checkNeighbours(test, device);

  const part = partition(device, 8, 16);
  part.storeU64?.(8, 55n);
  test.equal(device.loadU64(4104), 55n);
  test.equal(part.loadU64?.(8), 55n);
  const publisher = part.recordPublisher?.(8, HEADS);
  test.equal(publisher?.publish(Buffer.from('abc'), 100, 0, 56), 19);
  test.equal(device.loadU64(4104), 56n);
  test.equal(publisher?.publishMany([Buffer.from('d')], { from: 0, to: 1, size: 32, pos: 160, end: 0, word: 57 }), 32);
  test.equal(Buffer.from(device.view(4096 + 160 + 16, 1)).toString(), 'd');
  test.throws(() => publisher?.publish(Buffer.alloc(100), 16 * 512 - 100, 0, 58), RangeError);
  test.throws(() => part.loadU64?.(16 * 512), RangeError);

  const reader = openSync(wanted.path, { readOnly: true });
  test.equal(reader.loadU64(24), 101n);
  test.throws(() => { reader.storeU64(24, 1n); }, { code: 'EROFS' });
  test.throws(() => reader.recordPublisher(24, HEADS), { code: 'EROFS' });
  reader.closeSync();
  test.throws(() => reader.loadU64(24), { code: 'EBADF' });
  const last = device.recordPublisher(24, HEADS);
  device.closeSync();
  test.throws(() => last.publish(Buffer.alloc(8), 8192, 0, 1), { code: 'EBADF' });
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
