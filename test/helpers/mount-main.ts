// Owns a program, run as a process or a worker, that mounts an image, writes to a file that it leaves open, and ends in some way.

import { parentPort, workerData, isMainThread } from 'node:worker_threads';
import { openSync, partition } from 'node-dax';
import { mount } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';

/** How it ends. `wait`: it does not, but says on its standard output, or by a message, when it has written. */
export type End = 'return' | 'exit' | 'throw' | 'reject' | 'late write' | 'while it writes' | 'handle' | 'stream' | 'no name' | 'wait';

export interface MountTask {
  readonly image: string;
  /** The part of the image, in sectors. */
  readonly part?: { readonly start: number; readonly count: number };
  readonly readOnly?: boolean;
  readonly synchronous?: boolean;
  readonly end: End;
}

/** What is in `/file` afterwards. */
export const CONTENT = Buffer.alloc(5000, 'written');

function run({ image, part, readOnly = false, synchronous = false, end }: MountTask): void {
  const device = openSync(image, { readOnly });
  const bdev = part === undefined ? device : partition(device, part.start, part.count);
  const fs = createFs(mount(bdev, { readOnly, synchronous, onWarning: () => undefined }));
  if (end === 'handle') {
    void fs.promises.open('/file', 'w').then(async (handle) => {
      await handle.write(CONTENT);
      process.exit(0);
    });
  } else if (end === 'stream') {
    // It never ends.
    fs.createWriteStream('/file').write(CONTENT, () => { process.exit(0); });
  } else if (!readOnly) {
    if (end === 'no name') fs.writeSync(fs.openSync('/unnamed', 'w'), CONTENT);
    const fd = fs.openSync('/file', 'w');
    if (end === 'late write') process.on('exit', () => { fs.writeSync(fd, CONTENT); });
    else fs.writeSync(fd, CONTENT);
  }
  if (end === 'no name') fs.unlinkSync('/unnamed');
  if (end === 'exit' || end === 'late write' || end === 'no name') process.exit(0);
  if (end === 'throw') throw new Error('nobody catches this');
  if (end === 'reject') void Promise.reject(new Error('nobody catches this'));
  if (end === 'while it writes') {
    void fs.promises.writeFile('/large', Buffer.alloc(4 * 1024 * 1024));
    setImmediate(() => { process.exit(0); });
  }
  if (end === 'wait') {
    setInterval(() => undefined, 1000);
    if (isMainThread) console.log('mounted');
    else parentPort?.postMessage('mounted');
  }
}

if (!isMainThread) run(workerData as MountTask);
else if (require.main === module) run(JSON.parse(process.argv[2] ?? '') as MountTask);
