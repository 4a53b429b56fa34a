// Owns the driver that refuses stores.

import { blockDevice, checkDevice, DaxError, lockDevice, SECTOR_SIZE, type BlockDevice, type DriverDevice } from 'node-dax';

/**
 * `device`, read-only: writes are `EROFS`, files on it are mapped read-only, and it gives no windows, because a stray store through
 * a window would reach the device. Locks on it are those of a reader. Closing it leaves `device` open.
 */
export function readOnly(device: BlockDevice): DriverDevice {
  checkDevice(device);
  return blockDevice({
    sectors: Math.floor(device.size / SECTOR_SIZE),
    readOnly: true,
    directAccess: (sector, size) => device.directAccess(sector, size),
    backing: (pos) => ({ device, pos }),
    lock(mode, pos, length) {
      if (mode === 'shared') return lockDevice(device, mode, pos, length);
      throw new DaxError({ errno: 'EROFS', syscall: 'lock', reason: 'READ_ONLY', hint: 'only those share it who read' });
    },
  });
}
