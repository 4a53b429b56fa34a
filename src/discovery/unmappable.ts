// Tells why a devdax that can be opened cannot be used: its driver maps nothing, or this process no large pages.

import type { DevdaxInfo } from './device-info.js';
import { devdaxNumbered } from './devdax.js';
import type { SystemTree } from './system-tree.js';
import type { DaxErrorInit } from '../errors.js';
import { PAGE_SIZE } from '../units.js';

type Refusal = Pick<DaxErrorInit, 'reason' | 'hint'>;

/**
 * Transparent huge pages are disabled for this process, as children inherit it (PR_SET_THP_DISABLE): then the kernel maps
 * no page of a devdax that is aligned to more than a small one, and every touch is a SIGBUS.
 */
export function lacksHugePages(tree: SystemTree): boolean {
  return /^THP_enabled:\s*0$/m.test(tree.text('/proc/self/status') ?? '');
}

/** The command that has a devdax mapped by programs again. */
export function leaveFamfs({ chardev }: DevdaxInfo): string {
  return `daxctl reconfigure-device --mode=devdax ${chardev}`;
}

/** Undefined where the devdax `major:minor` has nothing of this kind. */
export function whyUnmappable(rdevno: string, tree: SystemTree): Refusal | undefined {
  const device = devdaxNumbered(tree, rdevno);
  if (device?.mode === 'famfs') {
    return { reason: 'FAMFS_MODE', hint: `it is in famfs mode, which maps nothing for programs: \`${leaveFamfs(device)}\`` };
  }
  if (device === undefined || (device.align ?? 0) <= PAGE_SIZE || !lacksHugePages(tree)) return undefined;
  return {
    reason: 'HUGE_PAGES_DISABLED',
    hint:
      'transparent huge pages are disabled for this process (PR_SET_THP_DISABLE, which children inherit), and without them ' +
      'no page of it can be had: start the program without that, or have a namespace aligned to 4096',
  };
}
