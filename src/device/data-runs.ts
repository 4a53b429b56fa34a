// Owns where a device may have anything but zeros.

import type { BlockDevice, DeviceRun } from './block-device.js';

/**
 * The parts of a range, in order, that may have bytes other than zeros. What is between them are holes of the file below: they
 * read as zeros, and a look at them may give them memory (a file on tmpfs). All of the range where the device does not tell.
 */
export function* dataRuns(device: BlockDevice, pos: number, length: number): Generator<DeviceRun> {
  const end = pos + length;
  for (let at = pos; at < end; ) {
    const run = device.seekData === undefined ? { pos: at, length: end - at } : device.seekData(at, end - at);
    if (run === undefined) return;
    yield run;
    at = run.pos + run.length;
  }
}
