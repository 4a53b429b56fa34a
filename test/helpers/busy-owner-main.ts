// A program whose main thread owns a mapped file, and blocks until its standard input ends, while a worker stores to a hole of
// that file. Each of them prints a line of JSON about what came of that. Argument: a file, which is the device.

import { readSync, writeSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { DaxMapping, daxMmap, openSync, type DaxError, type MappingHandle } from 'node-dax';
import type { PlainError } from './fault-worker-main.js';
import { Tfs } from './tfs.js';

/** What the worker's mapping told of; or what the owner found in the file at the end. */
export type BusyOwnerLine = { lost: Pick<PlainError, 'code' | 'reason' | 'position'> } | { found: number | undefined };

const PAGE = 4096;

function print(line: BusyOwnerLine): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

function own(path: string): void {
  const device = openSync(path);
  const fs = new Tfs({ devices: [device] });
  const inode = fs.inode();
  const file = fs.file(inode);
  const mapping = daxMmap(inode, { length: 2 * PAGE }, fs.operations.getBlock, fs.operations);
  // Later, so its page is not resolved ahead.
  file.truncateSync(2 * PAGE);
  const blocked = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(__filename, { workerData: { handle: mapping.handle, blocked } });
  worker.once('message', () => {
    // Before anything else is received on this thread.
    Atomics.store(blocked, 0, 1);
    Atomics.notify(blocked, 0);
    readSync(0, Buffer.alloc(1));
    worker.postMessage('end');
  });
  worker.once('exit', () => {
    const found = Buffer.alloc(1);
    file.readSync(found, PAGE);
    print({ found: found[0] });
    device.closeSync();
  });
}

function store(): void {
  const { handle, blocked } = workerData as { handle: MappingHandle; blocked: Int32Array };
  const mapping = DaxMapping.attach(handle);
  mapping.on('error', ({ code, reason, position }: DaxError) => {
    print({ lost: { code, reason, position } });
  });
  // Until then this thread can be told.
  parentPort?.once('message', () => undefined);
  parentPort?.postMessage('attached');
  Atomics.wait(blocked, 0, 0);
  new Uint8Array(mapping.buffer)[PAGE] = 7;
}

if (isMainThread) own(process.argv[2] ?? '');
else store();
