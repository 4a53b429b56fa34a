// Owns drivers whose memory lies in one piece, so that an image on them can be judged by tools and changed by tests while a
// filesystem works through the driver. NODE_DAX_TEST_ON_DRIVER names the one that images in memory are put on.

import { blockDevice, PAGE_SIZE, SECTOR_SIZE, type BlockDevice, type DriverDevice } from 'node-dax';
import { axonram, faulty, linear, striped } from 'node-dax/drivers';
import { MemoryDevice } from 'node-dax/testkit';
import { passThrough } from './drivers.js';

/** Makes a driver of whole pages, and shows its content. */
type Make = (size: number) => { memory: Uint8Array; device: DriverDevice };

function over(make: (memory: Uint8Array) => DriverDevice): Make {
  return (size) => {
    const memory = new Uint8Array(size);
    return { memory, device: make(memory) };
  };
}

/** Every second page of `memory`, from page `first`, as one device. */
function everySecondPage(memory: Uint8Array, first: number, pages: number): BlockDevice {
  return blockDevice({
    sectors: (pages * PAGE_SIZE) / SECTOR_SIZE,
    directAccess(sector) {
      const pos = sector * SECTOR_SIZE;
      const within = pos % PAGE_SIZE;
      const at = (first + 2 * Math.floor(pos / PAGE_SIZE)) * PAGE_SIZE + within;
      return { bytes: PAGE_SIZE - within, window: memory.subarray(at, at + PAGE_SIZE - within) };
    },
  });
}

function stripedOver(memory: Uint8Array): DriverDevice {
  const pairs = Math.floor(memory.byteLength / PAGE_SIZE / 2);
  const even = striped([everySecondPage(memory, 0, pairs), everySecondPage(memory, 1, pairs)], { chunk: PAGE_SIZE });
  const rest = memory.subarray(2 * pairs * PAGE_SIZE);
  return rest.byteLength === 0 ? even : linear([even, new MemoryDevice(rest)]);
}

function linearOver(memory: Uint8Array): DriverDevice {
  // The first device ends after an odd number of pages, so that extents of a filesystem cross from one to the other.
  const border = Math.ceil(memory.byteLength / PAGE_SIZE / 3) * PAGE_SIZE;
  return linear([new MemoryDevice(memory.subarray(0, border)), new MemoryDevice(memory.subarray(border))]);
}

const DRIVERS: Readonly<Record<string, Make>> = {
  'pass-through': over((memory) => passThrough(new MemoryDevice(memory))),
  linear: over(linearOver),
  striped: over(stripedOver),
  faulty: over((memory) => faulty(new MemoryDevice(memory), () => undefined)),
  axonram(size) {
    const bank = new Uint8Array(PAGE_SIZE + size);
    return { memory: bank.subarray(PAGE_SIZE), device: axonram(new MemoryDevice(bank), { pos: PAGE_SIZE }) };
  },
};

export const IMAGE_DRIVERS = Object.keys(DRIVERS);

/** The driver of that name. */
export function imageDriver(name: string, size: number): ReturnType<Make> {
  const make = DRIVERS[name];
  if (make === undefined) throw new RangeError(`NODE_DAX_TEST_ON_DRIVER: there is no ${name}, but ${IMAGE_DRIVERS.join(', ')}`);
  return make(size);
}
