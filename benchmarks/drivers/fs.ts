// Drivers of node:fs on the same file.

import * as fs from 'node:fs';
import { alignedBuffer } from '../../src/index.js';
import { filledBuffer, FILES, FILES_WARM_UP, type Driver } from '../driver.js';

const { O_RDONLY, O_RDWR, O_DIRECT } = fs.constants;

export const fsReadSync: Driver = {
  done: 'the bytes are in the buffer, copied from the page cache',
  open({ path, blockSize }) {
    const fd = fs.openSync(path, O_RDONLY);
    const buffer = filledBuffer(blockSize);
    return { run: (pos) => fs.readSync(fd, buffer, 0, blockSize, pos) };
  },
};

export const fsReadSyncDirect: Driver = {
  done: 'the bytes are in the buffer, read with O_DIRECT',
  open({ path, blockSize }) {
    const fd = fs.openSync(path, O_RDONLY | O_DIRECT);
    const buffer = alignedBuffer(blockSize).fill(0x5a);
    return { run: (pos) => fs.readSync(fd, buffer, 0, blockSize, pos) };
  },
};

export const fileHandleRead: Driver = {
  done: 'the promise is fulfilled, the bytes are in the buffer',
  async open({ path, blockSize }) {
    const handle = await fs.promises.open(path, 'r');
    const buffer = filledBuffer(blockSize);
    return { run: (pos) => handle.read(buffer, 0, blockSize, pos), awaited: true };
  },
};

export const fsWriteSync: Driver = {
  done: 'the bytes are in the page cache and fdatasync has returned',
  open({ path, blockSize }) {
    const fd = fs.openSync(path, O_RDWR);
    const buffer = filledBuffer(blockSize);
    return {
      run: (pos) => {
        fs.writeSync(fd, buffer, 0, blockSize, pos);
        fs.fdatasyncSync(fd);
      },
    };
  },
};

export const fsFiles: Driver = {
  done: 'a new file has its name and its bytes, in memory, and is closed',
  warmUp: FILES_WARM_UP,
  open({ path, blockSize }) {
    const folder = fs.mkdtempSync(`${path}-files-`);
    const content = filledBuffer(blockSize);
    let made = 0;
    return {
      run: () => {
        if (made === FILES) while (made > 0) fs.unlinkSync(`${folder}/file-${--made}`);
        const fd = fs.openSync(`${folder}/file-${made++}`, 'wx');
        fs.writeSync(fd, content, 0, blockSize, 0);
        fs.closeSync(fd);
      },
    };
  },
};
