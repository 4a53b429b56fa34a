// Owns the properties of a device that is made of several others.

import { DaxError, PAGE_SIZE, type BlockDevice, type Driver, type Granularity } from 'node-dax';

const COARSENESS: readonly Granularity[] = ['byte', 'cache_line', 'page'];

// A device that cannot be mapped counts with the ordinary page size.
function pageSizeOf(device: BlockDevice): number {
  try {
    return device.pageSize ?? device.backing?.(0, PAGE_SIZE).device.alignment ?? PAGE_SIZE;
  } catch (error) {
    if (error instanceof DaxError && error.reason === 'NOT_MAPPABLE') return PAGE_SIZE;
    throw error;
  }
}

/** The largest page that any of the devices maps, the coarsest granularity, and whether all of them are persistent. */
export function together(devices: readonly BlockDevice[]): Pick<Driver, 'granularity' | 'persistent'> & { pageSize: number } {
  const { persistent } = devices.find((device) => device.persistent !== true) ?? { persistent: true };
  const isLost = devices.some((device) => device.persistent === false);
  return {
    pageSize: Math.max(PAGE_SIZE, ...devices.map(pageSizeOf)),
    granularity: COARSENESS[Math.max(...devices.map(({ granularity }) => COARSENESS.indexOf(granularity)))],
    persistent: isLost ? false : persistent,
  };
}
