// Owns the command that gives a devdax an alignment of one page.

import { devdaxNumbered } from '../discovery/devdax.js';
import type { DevdaxInfo } from '../discovery/device-info.js';
import { deviceNumber } from '../discovery/look.js';
import { SystemTree } from '../discovery/system-tree.js';
import { statSync } from 'node:fs';

/** For the devdax at `path`, in words that end a hint. */
export function alignFix(path: string): string {
  try {
    const device = devdaxNumbered(new SystemTree(), deviceNumber(statSync(path).rdev));
    if (device !== undefined) return `\`${alignCommand(device)}\`${device.namespace === undefined ? '' : ', which erases it'}`;
  } catch {
    // It is gone: nothing of it can be made anew.
  }
  return 'a devdax aligned to 4096';
}

/** A namespace is made anew, under its name: without that, ndctl takes free space for another one. */
export function alignCommand({ chardev, namespace }: DevdaxInfo): string {
  if (namespace !== undefined) return `ndctl create-namespace -f -e ${namespace} -m devdax -a 4096`;
  return `daxctl disable-device ${chardev} && echo 4096 >/sys/bus/dax/devices/${chardev}/align && daxctl enable-device ${chardev}`;
}
