// Drivers of ext2, made anew on the file that a trial is given.

import { mkfsSync, mount, type Ext2, type Ext2File } from 'node-dax/ext2';
import { openSync } from '../../src/index.js';
import { filledBuffer, FILES, FILES_WARM_UP, type Driver, type Job } from '../driver.js';

export const CACHE_LINE = { NODE_DAX_FORCE_GRANULARITY: 'cache_line' };
const OWNER = { uid: 0, gid: 0 };
// Coprime with the number of names, so they come in no order.
const STEP = 31_337;

export function mounted(path: string): Ext2 {
  const device = openSync(path);
  mkfsSync(device, { blockSize: 4096, force: true, bytesPerInode: 4096 });
  return mount(device, { owner: OWNER });
}

// A file of `span` bytes, all of them there.
function filled({ path, span }: Job): Ext2File {
  const fs = mounted(path);
  const file = fs.open(fs.create(fs.root, 'file'));
  const piece = filledBuffer(Math.min(span, 2 ** 20));
  for (let pos = 0; pos < span; pos += piece.length) file.writeSync(piece, pos);
  fs.sync();
  return file;
}

export const ext2ReadSync: Driver = {
  done: 'the bytes are in the buffer, read from an open file of ext2',
  open(job) {
    const file = filled(job);
    const buffer = filledBuffer(job.blockSize);
    // Where blocks are is known before a trial begins.
    for (let pos = 0; pos < job.span; pos += job.blockSize) file.readSync(buffer, pos);
    return { run: (pos) => file.readSync(buffer, pos) };
  },
};

export const ext2Write: Driver = {
  done: 'the bytes are in blocks that the file had not, and have left the CPU caches',
  environment: CACHE_LINE,
  open({ path, blockSize }) {
    const fs = mounted(path);
    const file = fs.open(fs.create(fs.root, 'file'));
    const buffer = filledBuffer(blockSize);
    return {
      run: (pos) => {
        if (pos === 0) file.truncateSync(0);
        return file.writeSync(buffer, pos);
      },
    };
  },
};

export const ext2Rewrite: Driver = {
  done: 'the bytes are in the blocks of the file, and have left the CPU caches',
  environment: CACHE_LINE,
  open(job) {
    const file = filled(job);
    const buffer = filledBuffer(job.blockSize);
    return { run: (pos) => file.writeSync(buffer, pos) };
  },
};

export const ext2Files: Driver = {
  done: 'a new file has its name and its bytes, durably, and is closed',
  environment: CACHE_LINE,
  warmUp: FILES_WARM_UP,
  open({ path, blockSize }) {
    const fs = mounted(path);
    const content = filledBuffer(blockSize);
    let made = 0;
    return {
      run: () => {
        if (made === FILES) while (made > 0) fs.unlink(fs.root, `file-${--made}`);
        const file = fs.open(fs.create(fs.root, `file-${made++}`));
        file.writeSync(content, 0);
        file.closeSync();
      },
    };
  },
};

export function ext2Lookup(names: number): Driver {
  return {
    done: 'the inode of a name is known',
    open({ path }) {
      const fs = mounted(path);
      const dir = fs.mkdir(fs.root, 'directory');
      const target = fs.create(fs.root, 'file');
      // One file has at most 32 000 names.
      const other = fs.create(fs.root, 'other');
      for (let n = 0; n < names; n++) fs.link(n % 2 === 0 ? target : other, dir, `name-${n}`);
      const all = Array.from({ length: names }, (_, n) => `name-${n}`);
      let at = 0;
      return {
        run: () => {
          at = (at + STEP) % names;
          return fs.lookup(dir, all[at] as string);
        },
      };
    },
  };
}

export const ext2Mount: Driver = {
  done: 'the filesystem was mounted, and unmounted',
  open({ path }) {
    const device = openSync(path);
    mkfsSync(device, { force: true, zeroed: true });
    return {
      run: () => {
        mount(device, { owner: OWNER }).unmount();
      },
    };
  },
};
