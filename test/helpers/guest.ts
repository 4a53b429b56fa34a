// Says whether this is a guest of `node-dax vm`: emulated, and so many times slower. Loads modules of its kernel.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { release } from 'node:os';
import { basename } from 'node:path';

export const IN_GUEST = process.env['NODE_DAX_TEST_GUEST'] === '1';

/** Options of a test that needs none of the guest's devices: the host runs it, many times as fast. */
export const ON_HOST = { skip: IN_GUEST && 'the host runs it' };

/** Loads those that are not, in this order. Paths are those below `kernel/` of the modules' folder. */
export function insertModules(...modules: string[]): void {
  for (const path of modules) {
    const name = basename(path, '.ko').replaceAll('-', '_');
    if (!existsSync(`/sys/module/${name}`)) execFileSync('insmod', [`/lib/modules/${release()}/kernel/${path}`]);
  }
}
