// Owns the reasons why a devdax that can be opened cannot be mapped: its driver maps nothing, or this process may not map large
// pages.

import type { DevdaxInfo } from '../device-info.js';
import { devdaxNumbered } from '../devices/devdax.js';
import type { SystemTree } from '../system/system-tree.js';
import type { DaxErrorInit } from '../../errors.js';
import { PAGE_SIZE } from '../../units.js';

type Refusal = Pick<DaxErrorInit, 'reason' | 'hint'>;

/**
 * Whether transparent huge pages are disabled for this process, perhaps by a parent (PR_SET_THP_DISABLE is inherited). The kernel
 * then maps no page of a devdax whose alignment is larger than a small page, and every touch is a SIGBUS.
 */
export function lacksHugePages(tree: SystemTree): boolean {
  return /^THP_enabled:\s*0$/m.test(tree.text('/proc/self/status') ?? '');
}

/** The command that lets programs map a devdax in famfs mode again. */
export function leaveFamfs({ chardev }: DevdaxInfo): string {
  return `daxctl reconfigure-device --mode=devdax ${chardev}`;
}

/** The reason why the devdax `major:minor` cannot be mapped; undefined if there is no such reason. */
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
