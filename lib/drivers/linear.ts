// Owns the driver that puts devices one after the other, as the device mapper's linear target does.

import { blockDevice, checkDevices, lockRanges, SECTOR_SIZE, type BlockDevice, type Driver, type DriverDevice, type Place } from 'node-dax';
import { together } from './several.js';

/** Bytes [`start`, `end`) of the whole are the first bytes of `device`. */
interface Part {
  readonly device: BlockDevice;
  readonly start: number;
  readonly end: number;
}

/** The driver of `linear`, for drivers that extend it. */
export function linearDriver(devices: readonly BlockDevice[]): Driver {
  checkDevices(devices);
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
 * The devices, in their order, as one, for example for a filesystem that spans two NVDIMMs. Only whole pages of each device are
 * used, of the largest page size that any of the devices maps. An answer of `directAccess` never crosses from one device to the
 * next. Closing it leaves the devices open.
 */
export function linear(devices: readonly BlockDevice[]): DriverDevice {
  return blockDevice(linearDriver(devices));
}
