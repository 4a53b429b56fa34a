// Block devices that are made of drivers, by what they cost beside the memory that they lie on.

import { blockDevice, openSync, PAGE_SIZE, partition, SECTOR_SIZE, type BlockDevice } from '../../src/index.js';
import { brd } from '../../lib/drivers/brd.js';
import { PageTable } from '../../lib/drivers/page-table.js';
import { striped } from '../../lib/drivers/striped.js';
import { filledBuffer, type Driver } from '../driver.js';

const READ = 'the bytes are in the buffer';

function reading(of: (path: string) => BlockDevice): Driver {
  return {
    done: READ,
    open({ path, blockSize }) {
      const device = of(path);
      const buffer = filledBuffer(blockSize);
      return { run: (pos) => device.readSync(buffer, pos) };
    },
  };
}

/** A driver that passes an open device through. */
export const blockDeviceReadSync = reading((path) => {
  const device = openSync(path);
  return blockDevice({
    sectors: device.size / SECTOR_SIZE,
    directAccess: (sector, size) => device.directAccess(sector, size),
    backing: (pos) => ({ device, pos }),
  });
});

/** Two halves of an open device, in turn. */
export const stripedReadSync = reading((path) => {
  const device = openSync(path);
  const half = device.size / SECTOR_SIZE / 2;
  return striped([partition(device, 0, half), partition(device, half, half)]);
});

/** A page comes into being: 4 GiB of them, and again when there are no more. */
export const brdFirstTouch: Driver = {
  done: 'the page is there, zeros, and its address is known',
  open() {
    const size = 4 * 1024 ** 3;
    const pages = size / PAGE_SIZE;
    let disk = brd({ size });
    let page = 0;
    return {
      run() {
        if (page === pages) {
          disk.closeSync();
          disk = brd({ size });
          page = 0;
        }
        return disk.directAccess((page++ * PAGE_SIZE) / SECTOR_SIZE, PAGE_SIZE);
      },
    };
  },
};

/** Where a page is, among `count`. */
export function pageLookup(count: number): Driver {
  return {
    done: 'the number of the page is known',
    open() {
      const table = new PageTable();
      for (let page = 0; page < count; page++) table.set(page, page);
      let page = 0;
      return {
        run() {
          page = page + 1 === count ? 0 : page + 1;
          return table.get(page);
        },
      };
    },
  };
}
