// Owns the drivers that suites run on: one of each, with memory of its own, closed with the test.

import type { Test } from 'tap';
import { blockDevice, openScratch, PAGE_SIZE, SECTOR_SIZE, type BlockDevice, type DaxDevice, type DriverDevice } from 'node-dax';
import { axonram, brd, dcssblk, faulty, linear, striped } from 'node-dax/drivers';
import { scratchPath } from './devices.js';

/** A driver that gives all of `device` and nothing else. */
export function passThrough(device: BlockDevice): DriverDevice {
  return blockDevice({
    sectors: Math.floor(device.size / SECTOR_SIZE),
    directAccess: (sector, size) => device.directAccess(sector, size),
    backing: (pos) => ({ device, pos }),
  });
}

/** Memory that is closed with the test. */
export function scratch(test: Test, size: number): DaxDevice {
  const device = openScratch(size);
  test.teardown(() => device.close());
  return device;
}

type Make = (test: Test, size: number, memory?: (size: number) => BlockDevice) => DriverDevice;

/** `size` is a multiple of 128 KiB. `memory` makes what a driver lies on, for those that lie on something. */
export const DRIVERS: readonly (readonly [name: string, make: Make, isOver: boolean])[] = [
  ['pass-through', (test, size, memory = (bytes) => scratch(test, bytes)) => passThrough(memory(size)), true],
  ['linear', (test, size, memory = (bytes) => scratch(test, bytes)) => linear([memory(size / 4), memory(size / 4), memory(size / 2)]), true],
  ['striped', (test, size, memory = (bytes) => scratch(test, bytes)) => striped([memory(size / 2), memory(size / 2)], { chunk: 8 * PAGE_SIZE }), true],
  ['axonram', (test, size, memory = (bytes) => scratch(test, bytes)) => axonram(memory(size + PAGE_SIZE), { pos: PAGE_SIZE }), true],
  ['faulty', (test, size, memory = (bytes) => scratch(test, bytes)) => faulty(memory(size), () => undefined), true],
  ['brd', (_test, size) => brd({ size }), false],
  [
    'dcssblk',
    (test, size) =>
      dcssblk([
        { path: scratchPath(test, '/dev/shm'), access: 'exclusive', size: size / 2 },
        { path: scratchPath(test, '/dev/shm'), access: 'shared', size: size / 2 },
      ]),
    false,
  ],
];

/** Runs `run` on one of each. */
export function onEveryDriver(parent: Test, size: number, run: (test: Test, device: DriverDevice) => Promise<void> | void): void {
  for (const [name, make] of DRIVERS) {
    parent.test(name, async (test) => {
      const device = make(test, size);
      test.teardown(() => device.close());
      await run(test, device);
    });
  }
}
