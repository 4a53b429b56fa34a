// Owns a device of which it is said whether the kernel accepted MAP_SYNC for it. A power cut is not made on it.

import type { Backing, DaxDevice } from 'node-dax';

/** The device `opened`, in all but `mapSync`. */
export function withMapSync(opened: DaxDevice, mapSync: boolean): DaxDevice {
  const device: DaxDevice = new Proxy(opened, {
    get(target, key) {
      if (key === 'mapSync') return mapSync;
      if (key === 'backing') return (pos: number): Backing => ({ device, pos });
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return device;
}
