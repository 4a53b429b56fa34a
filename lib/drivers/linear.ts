// Owns the driver that puts devices one after the other, as the device mapper's linear target does.

import { argumentError, blockDevice, lockRanges, SECTOR_SIZE, type BlockDevice, type Driver, type DriverDevice, type Place } from 'node-dax';
import { together } from './several.js';

/** Bytes [`start`, `end`) of the whole are those of `device`, from its first on. */
interface Part {
  readonly device: BlockDevice;
  readonly start: number;
  readonly end: number;
}

/** What `linear` is made of, for drivers that are more. */
export function linearDriver(devices: readonly BlockDevice[]): Driver {
  if (devices.length === 0) throw argumentError('ERR_INVALID_ARG_VALUE', 'devices must not be empty');
  const whole = together(devices);
  const parts: Part[] = [];
  let size = 0;
  for (const device of devices) {
    const start = size;
    size += device.size - (device.size % whole.pageSize);
    parts.push({ device, start, end: size });
  }
  const partAt = (pos: number): Part => parts.find(({ end }) => pos < end) ?? (parts.at(-1) as Part);
  const placeOf = (pos: number, length: number): Place & { length: number } => {
    const { device, start, end } = partAt(pos);
    return { device, pos: pos - start, length: Math.min(length, end - pos) };
  };
  return {
    ...whole,
    sectors: size / SECTOR_SIZE,
    directAccess(sector, wanted) {
      const { device, pos, length } = placeOf(sector * SECTOR_SIZE, wanted);
      return device.directAccess(pos / SECTOR_SIZE, length);
    },
    backing: placeOf,
    lock: (mode, pos, length) =>
      lockRanges(
        mode,
        parts
          .filter(({ start, end }) => start < pos + length && pos < end)
          .map(({ device, start, end }) => ({ device, pos: Math.max(0, pos - start), length: Math.min(end, pos + length) - Math.max(start, pos) })),
      ),
  };
}

/**
 * The devices as one, in their order: a filesystem that spans two NVDIMMs. Of each, whole pages are used, of the size that the
 * coarsest of them maps. An answer never crosses from one to the next. Closing it leaves them open.
 */
export function linear(devices: readonly BlockDevice[]): DriverDevice {
  return blockDevice(linearDriver(devices));
}
