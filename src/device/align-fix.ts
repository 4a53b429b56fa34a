// Owns the command that gives a devdax an alignment of one page.

import { devdaxNumbered } from '../discovery/devices/devdax.js';
import type { DevdaxInfo } from '../discovery/device-info.js';
import { deviceNumber } from '../discovery/system/look.js';
import { SystemTree } from '../discovery/system/system-tree.js';
import { statSync } from 'node:fs';

/** The command for the devdax at `path`, phrased to end a hint. */
export function alignFix(path: string): string {
  try {
    const device = devdaxNumbered(new SystemTree(), deviceNumber(statSync(path).rdev));
    const command = device && alignCommand(device);
    if (command !== undefined) return `\`${command}\`${device?.namespace === undefined ? '' : ', which erases it'}`;
  } catch {
    // The devdax is gone: there is nothing to recreate.
  }
  return 'a devdax aligned to 4096';
}

/**
 * The command that recreates the namespace. It names the namespace, because ndctl would otherwise make another one from free space.
 * Undefined if the region is read-only, as the region of an unarmed NVDIMM is: ndctl cannot change it.
 */
export function alignCommand({ chardev, namespace, region }: Pick<DevdaxInfo, 'chardev' | 'namespace' | 'region'>): string | undefined {
  if (region?.readOnly === true) return undefined;
  if (namespace !== undefined) return `ndctl create-namespace -f -e ${namespace} -m devdax -a 4096`;
  return `daxctl disable-device ${chardev} && echo 4096 >/sys/bus/dax/devices/${chardev}/align && daxctl enable-device ${chardev}`;
}
