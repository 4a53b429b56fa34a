// Drivers of famfs beside those of ext2 that do the same, and of its mappings.

import { writeFileSync } from 'node:fs';
import { mkfsFamfs, mountFamfs, type Famfs } from 'node-dax/famfs';
import { openSync } from '../../src/index.js';
import { filledBuffer, type Driver } from '../driver.js';
import { mounted } from './ext2.js';

const DIRECTORY = '/directory';
const FILE = `${DIRECTORY}/file`;

/** A host's UUID in a file beside `path`: an option of those who make a famfs there and add to it. */
export function hostBeside(path: string): { systemUuidFile: string } {
  const systemUuidFile = `${path}-uuid`;
  writeFileSync(systemUuidFile, '8a7f1c9e-5d0b-4b53-9a35-0d4a1f6f3b11');
  return { systemUuidFile };
}

function withFile(path: string, size: number, stripes: number): Famfs {
  const device = openSync(path);
  const host = hostBeside(path);
  mkfsFamfs(device, { ...host, force: true });
  const famfs = mountFamfs(device, host);
  famfs.mkdir(DIRECTORY);
  const piece = filledBuffer(Math.min(size, 2 ** 20));
  famfs.create(FILE, size, {
    ...(stripes > 0 && { stripes }),
    fill: (file) => { for (let pos = 0; pos < size; pos += piece.length) file.writeSync(piece, pos); },
  });
  return famfs;
}

const STAT = 'size, owner and mode of the file at a path are known';
const OPEN = 'the file at a path was opened, and closed';

export const famfsStat: Driver = {
  done: STAT,
  open({ path, span }) {
    const famfs = withFile(path, span, 0);
    return { run: () => famfs.stat(famfs.resolve(FILE)) };
  },
};

export const famfsOpen: Driver = {
  done: OPEN,
  open({ path, span }) {
    const famfs = withFile(path, span, 0);
    return { run: () => { famfs.open(famfs.resolve(FILE)).closeSync(); } };
  },
};

export const ext2Stat: Driver = {
  done: STAT,
  open({ path }) {
    const fs = mounted(path);
    fs.create(fs.mkdir(fs.root, 'directory'), 'file');
    return { run: () => fs.stat(fs.resolve(FILE)) };
  },
};

export const ext2Open: Driver = {
  done: OPEN,
  open({ path }) {
    const fs = mounted(path);
    fs.create(fs.mkdir(fs.root, 'directory'), 'file');
    return { run: () => { fs.open(fs.resolve(FILE)).closeSync(); } };
  },
};

/** Copies out of a mapping of a file in so many strips; 0: in one piece. */
export function famfsMapping(stripes: number): Driver {
  return {
    done: 'the bytes are in the buffer, from a mapping of the file',
    open({ path, blockSize, span }) {
      const mapping = withFile(path, span, stripes).open(FILE).mmap();
      const bytes = Buffer.from(mapping.buffer, 0, span);
      const buffer = filledBuffer(blockSize);
      // The first touch of a page is another thing.
      for (let pos = 0; pos < span; pos += blockSize) bytes.copy(buffer, 0, pos, pos + blockSize);
      return { run: (pos) => bytes.copy(buffer, 0, pos, pos + blockSize) };
    },
  };
}
