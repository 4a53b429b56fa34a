// Owns creating a log: which memory it may overwrite, and the order of its stores.

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

// How many bytes are checked for zeros: all of 16 GiB would take seconds.
const LOOKED_AT = 2 ** 20;
// Volumes may keep their metadata at the end of a device, within this many bytes of it.
const TAIL = 128 * 1024;

function isZero(device: BlockDevice, pos: number, length: number): boolean {
  const bytes = Buffer.allocUnsafe(length);
  readFullSync(device, bytes, pos);
  return bytes.equals(Buffer.alloc(length));
}

/** Throws `EEXIST` for memory with existing content: a known signature, or bytes other than zero in its first MiB or at its end. */
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
 * Makes a log of the whole `device`. Existing content is wiped first, an existing log by one store; until the last store there is
 * no log. Records of an old log are not taken for its own, because every log has an id with which its checksums begin.
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
