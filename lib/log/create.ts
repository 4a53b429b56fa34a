// Owns making a log: which memory it may take, and the order in which it comes to be.

import { randomBytes } from 'node:crypto';
import { contentOf, PAGE_SIZE, readFullSync, SIGNATURE_LENGTH, type BlockDevice } from 'node-dax';
import { fail } from './error.js';
import {
  CHECKPOINT_POS,
  encodeCheckpoint,
  encodeSuperblock,
  MAGIC,
  MIN_SIZE,
  RING_POS,
  seedOf,
  UNIT,
} from './format.js';

// What is looked at for zeros: all of 16 GiB would take seconds.
const LOOKED_AT = 2 ** 20;
// Volumes keep what they are at the end of a device.
const TAIL = 128 * 1024;

function isZero(device: BlockDevice, pos: number, length: number): boolean {
  const bytes = Buffer.allocUnsafe(length);
  readFullSync(device, bytes, pos);
  return bytes.equals(Buffer.alloc(length));
}

/** Throws `EEXIST` for memory that carries something: by its signature, or because its first MiB or its end is not zero. */
export function checkEmpty(device: BlockDevice): void {
  const force = 'force: true makes a log of it all the same, and all of that is lost';
  const { signature } = contentOf(device);
  if (signature !== undefined) fail('EEXIST', 'openLog', `the device carries ${signature}: ${force}`);
  const head = Math.min(LOOKED_AT, device.size);
  const tail = Math.min(TAIL, device.size);
  if (!isZero(device, 0, head) || !isZero(device, device.size - tail, tail)) {
    fail('EEXIST', 'openLog', `the memory is not empty, though nothing is known of what is in it: ${force}`);
  }
}

/**
 * Makes a log of all of `device`. What was there goes first, with one store where it was a log; until the last store there is none.
 * Records of a former log are not taken for its own, because each log has an id that its checksums begin with.
 */
export function create(device: BlockDevice): void {
  const size = device.size - (device.size % PAGE_SIZE);
  if (size < MIN_SIZE) fail('ENOSPC', 'openLog', `a log takes at least ${MIN_SIZE} bytes, and there are ${device.size}`);
  device.zeroSync(0, MAGIC.length);
  const tail = Math.max(SIGNATURE_LENGTH, device.size - TAIL);
  if (tail < device.size) device.zeroSync(tail, device.size - tail);
  device.zeroSync(0, Math.max(RING_POS, Math.min(SIGNATURE_LENGTH, device.size)));
  const id = randomBytes(16);
  device.writeSync(encodeCheckpoint({ position: 0, sequence: 1 }, seedOf(id)), CHECKPOINT_POS[0]);
  const superblock = encodeSuperblock({ id, size, capacity: (size - RING_POS) / UNIT });
  device.writeSync(superblock.subarray(MAGIC.length), MAGIC.length);
  device.writeSync(superblock.subarray(0, MAGIC.length), 0);
}
