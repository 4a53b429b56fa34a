// Owns the driver that spreads chunks over devices in turn, as the device mapper's striped target and RAID 0 do.

import { argumentError, blockDevice, checkDevices, checkOptions, lockRanges, SECTOR_SIZE, type BlockDevice, type Bytes, type DriverDevice, type Place } from 'node-dax';
import { together } from './several.js';

/** How the bytes are spread over the devices. */
export interface StripedOptions {
  /**
   * Contiguous bytes on one device: a multiple of the largest page that any of the devices maps. Default 2 MiB, so mappings have
   * huge pages.
   */
  chunk?: Bytes | undefined;
}

const MIB = 1024 * 1024;

/**
 * The devices as one, chunk by chunk in turn, with as many chunks of each as the smallest has. It has the bandwidth of all of them,
 * and the layout that an interleaved file needs. An answer of `directAccess` never crosses a chunk. Closing it leaves the devices
 * open.
 */
export function striped(devices: readonly BlockDevice[], options: StripedOptions = {}): DriverDevice {
  checkOptions(options, { chunk: true });
  checkDevices(devices);
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
    // Locks whole rows of chunks, all that the range touches.
    lock(mode, pos, length) {
      const row = chunk * devices.length;
      const first = Math.floor(pos / row);
      const end = Math.ceil((pos + length) / row);
      return lockRanges(mode, devices.map((device) => ({ device, pos: first * chunk, length: (end - first) * chunk })));
    },
  });
}
