// Owns the lock on bytes that lie on several devices: all of them, or none.

import type { BlockDevice, DeviceLock, LockMode } from './block-device.js';
import { lockDevice } from './device-lock.js';

/** Bytes of a device. */
export interface DeviceRange {
  readonly device: BlockDevice;
  readonly pos: number;
  readonly length: number;
}

/**
 * Locks all of `ranges`, in their order, each as `lockDevice` does. It is for a device that lies on others. Throws what
 * `lockDevice` throws; then none of the ranges is locked.
 */
export function lockRanges(mode: LockMode, ranges: Iterable<DeviceRange>): DeviceLock {
  const locks: DeviceLock[] = [];
  const release = (): void => {
    for (const lock of locks.splice(0)) lock.release();
  };
  try {
    for (const { device, pos, length } of ranges) locks.push(lockDevice(device, mode, pos, length));
  } catch (error) {
    release();
    throw error;
  }
  return { release, [Symbol.dispose]: release };
}
