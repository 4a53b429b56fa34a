// Reads and writes that do all or throw, on devices, partitions, files, and devices that move a little at a time.

import t, { type Test } from 'tap';
import { openSync, partition, readFull, readFullSync, writeAll, writeAllSync, type AbortError, type ByteSink, type ByteSource } from 'node-dax';
import { onEveryKind } from '../helpers/devices.js';
import { Tfs } from '../helpers/tfs.js';
import { scratchPath } from '../helpers/devices.js';
import { ON_HOST } from '../helpers/guest.js';

const KIB = 1024;
const bytesOf = (length: number) => Buffer.from(Array.from({ length }, (_, index) => (7 * index) % 251));

async function checkEnd(test: Test, to: ByteSink & ByteSource, size: number): Promise<void> {
  const bytes = bytesOf(10 * KIB);
  const full = { code: 'ENOSPC', reason: 'DEVICE_FULL', position: size };
  const ended = { code: 'EIO', reason: 'BEYOND_END', position: size, syscall: 'read' };
  for (const [write, read] of [
    [async (pos: number) => { await Promise.resolve(); writeAllSync(to, bytes, pos); }, async (target: Buffer, pos: number) => { await Promise.resolve(); readFullSync(to, target, pos); }],
    [(pos: number) => writeAll(to, bytes, pos), (target: Buffer, pos: number) => readFull(to, target, pos)],
  ] as const) {
    writeAllSync(to, Buffer.alloc(20 * KIB), size - 20 * KIB);
    const found = Buffer.alloc(bytes.length);
    await write(size - bytes.length);
    await read(found, size - bytes.length);
    test.ok(found.equals(bytes), 'up to the very end');
    await test.rejects(write(size - 4 * KIB), full, 'a write that does not fit says where it stopped');
    await test.rejects(write(size), full);
    await test.rejects(read(Buffer.alloc(bytes.length), size - 4 * KIB), ended, 'and so does a read');
    await test.rejects(read(Buffer.alloc(1), size), ended);
    await read(Buffer.alloc(0), size);
    readFullSync(to, found, size - bytes.length);
    test.ok(found.subarray(6 * KIB).equals(bytes.subarray(0, 4 * KIB)), 'what fitted is there');
  }
}

onEveryKind('all or an error on', async (test, wanted) => {
  const device = wanted.open();
  await checkEnd(test, device, device.size);
  await checkEnd(test, partition(device, 8, 256), 256 * 512);
});

t.test('of a file', ON_HOST, async (test) => {
  const tfs = new Tfs({ blocksPerDevice: 16 });
  const file = tfs.file();
  const bytes = bytesOf(40 * KIB);
  await writeAll(file, bytes, 5);
  const found = Buffer.alloc(bytes.length);
  await readFull(file, found, 5);
  test.ok(found.equals(bytes));
  test.throws(() => { readFullSync(file, found, 6); }, { code: 'EIO', reason: 'BEYOND_END', position: bytes.length + 5 });
  await test.rejects(readFull(file, found, 6), { code: 'EIO', position: bytes.length + 5 });
  test.throws(() => { writeAllSync(file, bytes, 30 * KIB); }, { code: 'ENOSPC' }, 'the filesystem is full');
  await test.rejects(writeAll(file, bytes, 30 * KIB), { code: 'ENOSPC' });
});

t.test('of what moves a little at a time', ON_HOST, async (test) => {
  const memory = Buffer.alloc(1000);
  const slow: ByteSink & ByteSource = {
    readSync: (target, pos) => memory.copy(target as Uint8Array, 0, Number(pos), Math.min(Number(pos) + 7, memory.length)),
    writeSync: (source, pos) => {
      memory.set((source as Uint8Array).subarray(0, 7), Number(pos));
      return Math.min(7, source.byteLength);
    },
  };
  const bytes = bytesOf(100);
  for (const pos of [3, 3n]) {
    memory.fill(0);
    writeAllSync(slow, bytes, pos);
    test.ok(memory.subarray(3, 103).equals(bytes));
    memory.fill(0);
    await writeAll(slow, bytes, pos);
    test.ok(memory.subarray(3, 103).equals(bytes));
    const found = [Buffer.alloc(100), Buffer.alloc(100)] as const;
    readFullSync(slow, found[0], pos);
    await readFull(slow, found[1], pos);
    test.ok(found[0].equals(bytes) && found[1].equals(bytes));
  }
  const stuck = { ...slow, writeSync: () => 0 };
  test.throws(() => { writeAllSync(stuck, bytes, 3); }, { code: 'EIO', position: 3, syscall: 'write' }, 'nothing moved, and no reason given');
  await test.rejects(writeAll(stuck, bytes, 3), { code: 'EIO', position: 3 });
  await test.rejects(writeAll(slow, 'text' as unknown as Buffer, 3), TypeError);
});

t.test('an abort tells what moved in all', ON_HOST, async (test) => {
  using device = openSync(scratchPath(test, '/dev/shm'), { size: 64 * KIB });
  const ending = new AbortController();
  let calls = 0;
  // Half of what is asked for, and an end after the second time.
  const half: ByteSink = {
    writeSync: () => 0,
    write: async (source, pos, options) => {
      if (++calls === 3) ending.abort('enough');
      return device.write(source, pos, { ...options, length: Math.ceil(source.byteLength / 2) });
    },
  };
  const error = await writeAll(half, bytesOf(8 * KIB), 0, { signal: ending.signal }).then(() => undefined, (reason: unknown) => reason as AbortError);
  test.match(error, { name: 'AbortError', code: 'ABORT_ERR', cause: 'enough', bytesMoved: 6 * KIB });
  const found = Buffer.alloc(8 * KIB);
  readFullSync(device, found, 0);
  test.ok(found.subarray(0, 6 * KIB).equals(bytesOf(8 * KIB).subarray(0, 6 * KIB)));
  test.ok(found.subarray(6 * KIB).every((byte) => byte === 0));
});
