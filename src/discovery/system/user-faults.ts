// Owns which page faults of mappings (daxMmap) this process may serve.

import { accessSync, constants } from 'node:fs';
import type { Evidence } from '../evidence.js';
import type { SystemTree } from './system-tree.js';

const SWITCH = '/proc/sys/vm/unprivileged_userfaultfd';
const NODE = '/dev/userfaultfd';
// CAP_SYS_PTRACE
const CAPABILITY = 19n;

function isPrivileged(tree: SystemTree): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(tree.text('/proc/self/status') ?? '')?.[1] ?? '0';
  // eslint-disable-next-line no-bitwise -- a bit of a mask
  return ((BigInt(`0x${effective}`) >> CAPABILITY) & 1n) === 1n;
}

function mayOpenNode(): boolean {
  try {
    accessSync(NODE, constants.R_OK + constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Evidence that touches of mappings by system calls can, or cannot, be served too. */
export function userFaults(tree: SystemTree): Evidence {
  const value = tree.text(SWITCH)?.trim();
  if (value === undefined) {
    return {
      source: SWITCH,
      value: 'absent',
      meaning: 'the kernel has no userfaultfd: mappings of files (daxMmap) are installed as a whole when they are made',
    };
  }
  const isFull = value === '1' || isPrivileged(tree) || mayOpenNode();
  return {
    source: SWITCH,
    value,
    meaning: isFull
      ? 'mappings of files (daxMmap) have all page faults served'
      : `mappings of files (daxMmap): system calls on what was not touched before get EFAULT; ${NODE} or CAP_SYS_PTRACE changes it`,
  };
}
