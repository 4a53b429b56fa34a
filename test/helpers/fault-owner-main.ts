// A thread that owns a mapped file and comes to an end, in the way that it is told, while others may wait for its answers.

import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { daxMmap, MAP_PRIVATE, openSync, type MappingHandle } from 'node-dax';
import { Tfs } from './tfs.js';

export interface OwnerSetup {
  /** A file, which is the device. */
  path: string;
  pages: number;
  /** `[0]`: 0 while it is not to go on. */
  control: Int32Array;
}

/** What it does once it may go on: nothing but answer, or one of its ways out. */
export type OwnerEnd = 'answer' | 'exit' | 'throw' | 'unmap' | 'forget' | 'close' | 'throw in getBlock' | 'exit in getBlock';

export interface OwnerHandles {
  handle: MappingHandle;
  /** Of a private mapping. */
  aside: MappingHandle;
}

const PAGE = 4096;

const port = parentPort as MessagePort;
const { path, pages, control } = workerData as OwnerSetup;
const device = openSync(path);
const fs = new Tfs({ devices: [device] });
const inode = fs.inode();
const file = fs.file(inode);
const mapping = daxMmap(inode, { length: pages * PAGE }, fs.operations.getBlock, fs.operations);
const aside = daxMmap(inode, { length: pages * PAGE, flags: MAP_PRIVATE }, fs.operations.getBlock, fs.operations);
file.writeSync(Buffer.alloc(PAGE, 1), 0);
file.truncateSync(pages * PAGE);
port.postMessage({ handle: mapping.handle, aside: aside.handle } satisfies OwnerHandles);

const ends: Record<OwnerEnd, () => void> = {
  answer: () => undefined,
  exit: () => process.exit(3),
  throw: () => {
    throw new Error('the owner breaks');
  },
  unmap: () => {
    mapping.unmap();
  },
  forget: () => {
    file.truncateSync(0);
  },
  close: () => {
    device.closeSync();
  },
  'throw in getBlock': () => {
    fs.onGetBlock = () => {
      throw new DOMException('no DaxError at all');
    };
  },
  'exit in getBlock': () => {
    fs.onGetBlock = () => process.exit(3);
  },
};

port.on('message', (end: OwnerEnd) => {
  port.postMessage('waits');
  // Meanwhile nothing is answered.
  Atomics.wait(control, 0, 0);
  ends[end]();
});
