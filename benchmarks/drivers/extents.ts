// Drivers that look up a file's blocks among many extents, in an order that a processor cannot predict. They copy nothing, so only
// the look-up is timed.

import { daxDoIo, Inode, type BlockDevice } from '../../src/index.js';
import { filledBuffer, type Driver, type Operation } from '../driver.js';

const BLOCK = 4096;
// Coprime with the numbers of extents, and near the golden section of the largest.
const STEP = 61_803;

const bdev: BlockDevice = {
  size: Number.MAX_SAFE_INTEGER,
  granularity: 'byte',
  directAccess: (_sector, size) => ({ bytes: Number(size), window: new Uint8Array(0), pfn: undefined }),
  readSync: () => BLOCK,
  writeSync: () => BLOCK,
  zeroSync: (_pos, length) => Number(length),
  flush: () => undefined,
  drain: () => undefined,
  persist: () => undefined,
};

// Every other block of a file is one, so no two are one extent.
function inodeOf(extents: number): Inode {
  const inode = new Inode({ blockSize: BLOCK, bdev }, 1, extents * 2 * BLOCK);
  for (let n = 0; n < extents; n++) {
    inode.extents.insert({ iblock: n * 2, count: 1, state: 'written', blocknr: n, bdev, isAccessible: true });
  }
  return inode;
}

function inNoOrder(extents: number, run: (iblock: number) => unknown): Operation {
  let at = 0;
  return {
    run: () => {
      at = (at + STEP) % extents;
      return run(at * 2);
    },
  };
}

export function extentsFind(extents: number): Driver {
  return {
    done: 'the extent is known',
    open: () => {
      const inode = inodeOf(extents);
      const found = { iblock: 0, count: 0, state: 'hole' as const, blocknr: 0, bdev: undefined, isAccessible: false };
      return inNoOrder(extents, (iblock) => inode.extents.findInto(iblock, found));
    },
  };
}

export function extentsDaxDoIo(extents: number): Driver {
  return {
    done: 'the device was called to copy, and copied nothing',
    open: () => {
      const inode = inodeOf(extents);
      const buffer = filledBuffer(BLOCK);
      const getBlock = () => -5;
      return inNoOrder(extents, (iblock) => daxDoIo('read', inode, buffer, iblock * BLOCK, getBlock));
    },
  };
}
