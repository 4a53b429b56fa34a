// Owns the driver that fails as it is told to, for tests.

import { blockDevice, DaxError, SECTOR_SIZE, type BlockDevice, type DriverDevice } from 'node-dax';

/** An access that is about to be made: a direct access, or a part of a read, a write, or of zeroing that lies together. */
export interface FaultyAccess {
  /** Bytes. */
  readonly pos: number;
  readonly length: number;
  /** How many there were before. */
  readonly count: number;
}

/** The name of the errno that an access fails with; nothing for one that succeeds. */
export type FaultPlan = (access: FaultyAccess) => string | undefined;

/** `device`, of which those accesses fail, with the errno and the position, that `plan` says. Closing it leaves `device` open. */
export function faulty(device: BlockDevice, plan: FaultPlan): DriverDevice {
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
