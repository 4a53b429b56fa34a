// A worker's view that the kernel is in the middle of writing, while a device closes: its own, or another object of the same.

import { once } from 'node:events';
import { closeSync, constants, openSync as openFile, read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { openSync, type OpenOptions } from 'node-dax';
import { onEveryKind, scratchPath } from '../helpers/devices.js';
import { ON_HOST } from '../helpers/guest.js';
import { pipe } from '../helpers/pipe.js';

// Four times what a pipe holds: whoever writes it waits for the reader.
const LENGTH = 256 * 1024;
// What is read at once.
const PATTERN = Buffer.alloc(64 * 1024, 0xa5);

const WRITER = `
  const { write } = require('node:fs');
  const { parentPort, workerData: { path, options, to, length } } = require('node:worker_threads');
  const device = require('node-dax').openSync(path, options);
  parentPort.on('message', (what) => {
    if (what === 'close') {
      device.closeSync();
      parentPort.postMessage('closed');
      return;
    }
    write(to, device.view(0, length).fill(0xa5), (error, written) => { parentPort.postMessage({ code: error?.code, written }); });
  });`;

interface Outcome {
  code?: string;
  written: number;
}

interface Writer {
  worker: Worker;
  /** Resolves when the write has begun; it cannot end before `drain`. */
  begin: () => Promise<void>;
  /** Resolves with what `ended` gives, and how many bytes came until then. */
  drain: <T>(ended: Promise<T>) => Promise<{ seen: number; result: T }>;
}

function start(test: Test, path: string, options?: OpenOptions): Writer {
  const { from, to, at } = pipe(test);
  const worker = new Worker(WRITER, { eval: true, execArgv: [], workerData: { path, options, to, length: LENGTH } });
  const end = openFile(at, constants.O_RDONLY + constants.O_NONBLOCK);
  test.teardown(async () => {
    closeSync(end);
    await worker.terminate();
  });
  const piece = Buffer.alloc(PATTERN.length);
  let seen = 0;
  const receive = (count: number): void => {
    seen += count;
    if (Buffer.compare(piece.subarray(0, count), PATTERN.subarray(0, count)) !== 0) test.fail('other bytes than were there');
  };
  return {
    worker,
    begin: async () => {
      seen = 0;
      worker.postMessage('write');
      receive((await promisify(read)(from, piece, 0, 1, null)).bytesRead);
    },
    drain: async (ended) => {
      const state = { isOver: false };
      void ended.finally(() => {
        state.isOver = true;
      });
      for (;;) {
        // Asked before the pipe is: nothing comes after that.
        const { isOver } = state;
        let count = 0;
        try {
          count = readSync(end, piece, 0, piece.length, null);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
        }
        receive(count);
        if (isOver && count === 0) return { seen, result: await ended };
        await new Promise(setImmediate);
      }
    },
  };
}

async function next(worker: Worker): Promise<Outcome> {
  const [message] = (await once(worker, 'message')) as [Outcome];
  return message;
}

onEveryKind('a view that a worker has the kernel write, while another object closes, and its own:', async (test, wanted) => {
  const device = wanted.open();
  const { worker, begin, drain } = start(test, wanted.path, wanted.needed);
  await begin();
  device.closeSync();
  test.strictSame(await drain(next(worker)), { seen: LENGTH, result: { code: undefined, written: LENGTH } }, 'it does not matter to it');

  await begin();
  worker.postMessage('close');
  await once(worker, 'message');
  const { seen, result } = await drain(next(worker));
  test.ok(seen < LENGTH);
  if (result.code === undefined) test.equal(result.written, seen, 'a short count, of what was written');
  else test.equal(result.code, 'EFAULT');
});

t.test('a worker that ends while the kernel writes its view', ON_HOST, async (test) => {
  const path = scratchPath(test, '/dev/shm');
  openSync(path, { size: LENGTH }).closeSync();
  const { worker, begin, drain } = start(test, path);
  await begin();
  test.equal((await drain(worker.terminate())).seen, LENGTH, 'it waits for that');
});
