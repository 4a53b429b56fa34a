// Owns filesystems in memory behind the facade: ext2 with room, and ext2 that is almost full.

import type * as nodeFs from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { mkfsSync, mount, type Ext2 } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { MemoryDevice } from 'node-dax/testkit';

type Fs = typeof nodeFs;

/** A device in memory whose bytes can be looked at. */
class Image extends MemoryDevice {
  declare readonly memory: Uint8Array;
}

export interface MemoryFs {
  readonly fs: Fs;
  readonly ext2: Ext2;
  readonly device: Image;
}

const BLOCK = 1024;
// More turns of the event loop than a program needs to close what it has open after an error.
const MOST_TURNS = 10_000;

/** A filesystem of `size` bytes. */
export function memoryFs(size: number): MemoryFs {
  const device = new Image(new Uint8Array(size));
  mkfsSync(device, { blockSize: BLOCK });
  const ext2 = mount(device);
  return { fs: createFs(ext2), ext2, device };
}

/** A filesystem of `size` bytes after `populate`, of which a file takes all but `free` blocks. */
export function almostFull(free: number, populate: (fs: Fs) => void, size = 2 * 1024 * 1024): MemoryFs {
  const made = memoryFs(size);
  const { fs } = made;
  populate(fs);
  const fd = fs.openSync('/ballast', 'w');
  let taken = 0;
  try {
    for (;;) taken += fs.writeSync(fd, Buffer.alloc(64 * BLOCK), 0, 64 * BLOCK, taken);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
  fs.ftruncateSync(fd, taken - free * BLOCK);
  fs.closeSync(fd);
  return made;
}

/** Unmounts when everything is closed: a stream tells an error before it has closed its file, as in node:fs. */
export async function unmountWhenClosed(ext2: Ext2): Promise<void> {
  for (let turn = 0; ; turn++) {
    try {
      ext2.unmount();
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || turn === MOST_TURNS) throw error;
      await nextTurn();
    }
  }
}
