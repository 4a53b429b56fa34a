// Closing a device, or unmapping a file, under native work that still uses its memory: nothing is passed off as done.

import { randomFill } from 'node:crypto';
import { closeSync, constants, openSync as openFile, read, readSync, write, writeSync, writev } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { deflate, inflateSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { onEveryKind, scratchPath, type TestDevice } from '../helpers/devices.js';
import { IN_GUEST, ON_HOST } from '../helpers/guest.js';
import { onEveryKindOfGround } from '../helpers/mapped-file.js';
import { pipe } from '../helpers/pipe.js';
import { openSync } from 'node-dax';

const MIB = 1024 * 1024;
// Four times what a pipe holds: whoever writes it waits for the reader.
const LENGTH = MIB / 4;

/** Memory of a device or a mapping, `LENGTH` bytes or a page that is larger, and what takes it away. */
interface Ground {
  bytes(): Uint8Array;
  close(): void;
}

function onEveryMemory(title: string, run: (test: Test, ground: Ground) => Promise<void>): void {
  for (const way of ['close', 'closeSync'] as const) {
    onEveryKind(`${way}: ${title}`, async (test, wanted: TestDevice) => {
      const device = wanted.open();
      await run(test, { bytes: () => device.view(0, LENGTH), close: () => void device[way]() });
    });
  }
  onEveryKindOfGround(`unmap: ${title}`, async (test, ground) => {
    const { mapping } = ground.holes(Math.ceil(LENGTH / ground.page));
    await run(test, {
      bytes: () => new Uint8Array(mapping.buffer),
      close: () => {
        mapping.unmap();
      },
    });
  });
}

const isPattern = (bytes: Uint8Array): boolean => Buffer.compare(bytes, Buffer.alloc(bytes.length, 0xa5)) === 0;

// The guest has the harder of the two, on devices: a process starts, and a page is touched, many times as slowly there.
for (const parts of IN_GUEST ? [2] : [1, 2]) {
  onEveryMemory(`a write of ${parts} view(s) that the kernel is in the middle of`, async (test, ground) => {
    const { from, to } = pipe(test);
    const view = ground.bytes().fill(0xa5);
    const { length } = view;
    const half = length / 2;
    const writing = new Promise<{ error: NodeJS.ErrnoException | null; written: number }>((resolve) => {
      const done = (error: NodeJS.ErrnoException | null, written: number) => {
        resolve({ error, written });
      };
      if (parts === 1) write(to, view, done);
      else writev(to, [view.subarray(0, half), view.subarray(half)], done);
    });
    const piece = Buffer.alloc(64 * 1024);
    // Once there is a byte, the call has begun; and it cannot have ended.
    let seen = await new Promise<number>((resolve) => {
      read(from, piece, 0, 1, null, (_, count) => {
        resolve(count);
      });
    });
    ground.close();
    test.equal(view.byteLength, 0);
    const state = { ended: false, isTrue: true };
    // To the last byte, whatever it is, so the write ends.
    const reading = (async () => {
      for (;;) {
        const { bytesRead } = await promisify(read)(from, piece, 0, piece.length, null);
        const isLast = state.ended && piece[bytesRead - 1] === 1;
        const count = isLast ? bytesRead - 1 : bytesRead;
        state.isTrue &&= isPattern(piece.subarray(0, count));
        seen += count;
        if (isLast) return;
      }
    })();
    const { error, written } = await writing;
    state.ended = true;
    writeSync(to, Buffer.from([1]));
    await reading;
    test.equal(state.isTrue, true, 'nothing but what was there was written');
    if (error === null) {
      test.ok(written < length, 'a short count');
      test.equal(seen, written, 'of what was written');
    } else {
      test.equal(error.code, 'EFAULT');
    }
  });
}

onEveryMemory('a read that the kernel is in the middle of', async (test, ground) => {
  const { from, to, at } = pipe(test);
  const view = ground.bytes();
  const reading = promisify(read)(from, view, 0, view.length, null);
  const failed = test.rejects(reading, { code: 'EFAULT' });
  ground.close();
  writeSync(to, Buffer.alloc(100, 1));
  await failed;
  // An end of its own, which does not wait.
  const end = openFile(at, constants.O_RDONLY + constants.O_NONBLOCK);
  test.equal(readSync(end, Buffer.alloc(100), 0, 100, null), 100, 'what was there is there');
  closeSync(end);
});

onEveryMemory('work on the pool that is no system call', async (test, ground) => {
  const view = ground.bytes().fill(0xa5);
  // All output at once: Node ends the process where it is to go on with input that was detached.
  const half = view.length / 2;
  const deflating = promisify(deflate)(view.subarray(0, half), { chunkSize: 2 * MIB });
  const filling = promisify(randomFill)(view.subarray(half));
  ground.close();
  test.equal(inflateSync(await deflating).length, half, 'is done');
  await filling;
});

t.test('a socket that writes from a view', ON_HOST, async (test) => {
  const device = openSync(scratchPath(test, '/dev/shm'), { size: 16 * MIB });
  const view = device.view().fill(0xa5);
  const path = scratchPath(test);
  const server = createServer({ pauseOnConnect: true }).listen(path);
  await once(server, 'listening');
  const client = createConnection(path);
  // Before that Node itself holds what is written, and a view that is empty by then writes nothing.
  const [[peer]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [[Socket], unknown];
  const failed = once(client, 'error').catch((error: unknown) => [error]);
  client.write(view);
  test.ok(client.writableLength > 0, 'it waits for the other side');
  device.closeSync();
  let received = 0;
  let isTrue = true;
  peer.on('data', (bytes: Buffer) => {
    received += bytes.length;
    isTrue &&= isPattern(bytes);
  });
  peer.resume();
  const [error] = (await failed) as [NodeJS.ErrnoException];
  test.match(error, { code: 'EFAULT', syscall: 'write' });
  test.ok(received < 16 * MIB);
  test.equal(isTrue, true, 'what arrived was there');
  peer.destroy();
  server.close();
});

t.test('a closed device as the buffer of another device', ON_HOST, async (test) => {
  for (const direction of ['read', 'write'] as const) {
    const device = openSync(scratchPath(test, '/dev/shm'), { size: 64 * MIB });
    const other = openSync(scratchPath(test, '/dev/shm'), { size: 64 * MIB });
    const view = device.view();
    const copying = other[direction](view, 0);
    device.closeSync();
    const { moved, error } = await copying.then((count) => ({ moved: count, error: undefined }), (thrown: unknown) => ({ moved: 0, error: thrown }));
    if (error === undefined) test.ok(moved < 64 * MIB);
    else test.ok(error instanceof TypeError || (error as { reason?: string }).reason === 'USER_MEMORY');
    await other.close();
  }
});
