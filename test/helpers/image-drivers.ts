// Owns drivers that images in memory are put on, so tools can judge what a filesystem has made through the driver.
// NODE_DAX_TEST_ON_DRIVER names one of them.

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { blockDevice, PAGE_SIZE, readFullSync, SECTOR_SIZE, type BlockDevice, type DriverDevice } from 'node-dax';
import { axonram, brd, dcssblk, faulty, linear, striped } from 'node-dax/drivers';
import { MemoryDevice } from 'node-dax/testkit';
import { passThrough } from './drivers.js';

export interface ImageDriver {
  readonly device: DriverDevice;
  /** What is on it now. */
  content(): Uint8Array;
}

/** Makes a driver of whole pages, all of them zeros. */
type Make = (size: number) => ImageDriver;

/** Those whose memory lies in one piece: it is looked at beside the driver. */
function over(make: (memory: Uint8Array) => DriverDevice): Make {
  return (size) => {
    const memory = new Uint8Array(size);
    return { content: () => memory, device: make(memory) };
  };
}

/** Those whose memory lies in pieces: it is read through the driver. */
function inPieces(make: (size: number) => DriverDevice): Make {
  return (size) => {
    const device = make(size);
    const content = (): Uint8Array => {
      const bytes = new Uint8Array(size);
      readFullSync(device, bytes, 0);
      return bytes;
    };
    return { content, device };
  };
}

/** Two segments, whose files have no names any more. */
function segments(size: number): DriverDevice {
  const folder = mkdtempSync('/dev/shm/node-dax-segments-');
  try {
    const first = borderOf(size);
    const parts = [first, size - first].filter((bytes) => bytes > 0);
    return dcssblk(parts.map((bytes, index) => ({ path: join(folder, `${index}`), access: index === 0 ? 'exclusive' : 'shared', size: bytes })));
  } finally {
    rmSync(folder, { recursive: true });
  }
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

/** Where the first of two devices ends: not where a group or a table does, so extents cross from one to the other. */
function borderOf(size: number): number {
  return Math.ceil(size / PAGE_SIZE / 3) * PAGE_SIZE;
}

function linearOver(memory: Uint8Array): DriverDevice {
  const border = borderOf(memory.byteLength);
  return linear([new MemoryDevice(memory.subarray(0, border)), new MemoryDevice(memory.subarray(border))]);
}

const DRIVERS: Readonly<Record<string, Make>> = {
  'pass-through': over((memory) => passThrough(new MemoryDevice(memory))),
  linear: over(linearOver),
  striped: over(stripedOver),
  faulty: over((memory) => faulty(new MemoryDevice(memory), () => undefined)),
  axonram(size) {
    const bank = new Uint8Array(PAGE_SIZE + size);
    return { content: () => bank.subarray(PAGE_SIZE), device: axonram(new MemoryDevice(bank), { pos: PAGE_SIZE }) };
  },
  brd: inPieces((size) => brd({ size })),
  dcssblk: inPieces(segments),
};

export const IMAGE_DRIVERS = Object.keys(DRIVERS);

/** The driver of that name. */
export function imageDriver(name: string, size: number): ImageDriver {
  const make = DRIVERS[name];
  if (make === undefined) throw new RangeError(`NODE_DAX_TEST_ON_DRIVER: there is no ${name}, but ${IMAGE_DRIVERS.join(', ')}`);
  return make(size);
}
