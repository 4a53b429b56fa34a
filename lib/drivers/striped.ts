// Owns the driver that deals chunks out to devices in turn, as the device mapper's striped target and RAID 0 do.

import { argumentError, checkOptions, blockDevice, lockRanges, SECTOR_SIZE, type BlockDevice, type Bytes, type DriverDevice, type Place } from 'node-dax';
import { together } from './several.js';

/** How the devices share the bytes. */
export interface StripedOptions {
  /** Bytes that lie together: a multiple of the page that the coarsest device maps. Default 2 MiB, so that mappings have huge pages. */
  chunk?: Bytes | undefined;
}

const MIB = 1024 * 1024;

/**
 * The devices as one, chunk by chunk in turn, as far as the smallest of them has chunks: the bandwidth of all, and what an
 * interleaved file needs. An answer never crosses a chunk. Closing it leaves them open.
 */
export function striped(devices: readonly BlockDevice[], options: StripedOptions = {}): DriverDevice {
  checkOptions(options, { chunk: true });
  if (devices.length === 0) throw argumentError('ERR_INVALID_ARG_VALUE', 'devices must not be empty');
  const whole = together(devices);
  const chunk = Number(options.chunk ?? 2 * MIB);
  if (!(chunk > 0) || chunk % whole.pageSize !== 0) {
    throw argumentError('ERR_OUT_OF_RANGE', `chunk must be a multiple of the ${whole.pageSize} bytes that the devices map, got ${chunk}`);
  }
  const rows = Math.min(...devices.map(({ size }) => Math.floor(size / chunk)));
  const placeOf = (pos: number, length: number): Place & { length: number } => {
    const index = Math.floor(pos / chunk);
    const within = pos % chunk;
    const row = Math.floor(index / devices.length);
    const device = devices[index % devices.length] as BlockDevice;
    return { device, pos: row * chunk + within, length: Math.min(length, chunk - within) };
  };
  return blockDevice({
    ...whole,
    sectors: (rows * chunk * devices.length) / SECTOR_SIZE,
    directAccess(sector, wanted) {
      const { device, pos, length } = placeOf(sector * SECTOR_SIZE, wanted);
      return device.directAccess(pos / SECTOR_SIZE, length);
    },
    backing: placeOf,
    // The rows that it touches, whole.
    lock(mode, pos, length) {
      const row = chunk * devices.length;
      const first = Math.floor(pos / row);
      const end = Math.ceil((pos + length) / row);
      return lockRanges(mode, devices.map((device) => ({ device, pos: first * chunk, length: (end - first) * chunk })));
    },
  });
}
