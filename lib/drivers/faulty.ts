// Owns the driver that fails by a plan, for tests.

import { blockDevice, checkDevice, DaxError, SECTOR_SIZE, type BlockDevice, type DriverDevice } from 'node-dax';

/** An access that is about to be made: a direct access, or one contiguous part of a read, a write or a zeroing. */
export interface FaultyAccess {
  /** Bytes. */
  readonly pos: number;
  readonly length: number;
  /** The number of accesses before this one. */
  readonly count: number;
}

/** Returns the name of the errno with which an access fails, or undefined to let it succeed. */
export type FaultPlan = (access: FaultyAccess) => string | undefined;

/**
 * `device`, except that an access for which `plan` names an errno fails with that errno and the access's position. Loads and stores
 * through a mapping, and making a mapping, do not count as accesses: the plan is not asked. Closing it leaves `device` open.
 */
export function faulty(device: BlockDevice, plan: FaultPlan): DriverDevice {
  checkDevice(device);
  let count = 0;
  return blockDevice({
    sectors: Math.floor(device.size / SECTOR_SIZE),
    directAccess(sector, length) {
      const pos = sector * SECTOR_SIZE;
      const errno = plan({ pos, length, count: count++ });
      if (errno === undefined) return device.directAccess(sector, length);
      throw new DaxError({ errno, syscall: 'directAccess', position: pos, hint: 'it was to fail' });
    },
    backing: (pos) => ({ device, pos }),
  });
}
