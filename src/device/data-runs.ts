// Owns dataRuns: the parts of a device that may have anything but zeros.

import type { BlockDevice, DeviceRun } from './block-device.js';

/**
 * The parts of a range, in order, that may have bytes other than zeros. Between them are holes of the file below: they read as
 * zeros, and reading them may allocate memory (a file on tmpfs). If the device does not report holes, the whole range is one part.
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
