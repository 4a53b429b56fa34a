// Owns the environment variables that override, for tests, what the package finds; warns once if any is in force.

import type { Granularity } from '../binding.js';
import { DaxError } from '../errors.js';

const VARIABLES = [
  'NODE_DAX_FORCE_GRANULARITY',
  'NODE_DAX_NO_CLWB',
  'NODE_DAX_NO_CLFLUSHOPT',
  'NODE_DAX_NO_MOVNT',
  'NODE_DAX_MOVNT_THRESHOLD',
  'NODE_DAX_FAULTS',
] as const;

let warned = false;

/** Emits one process warning that names the variables in force. */
export function warnOfOverrides(): void {
  if (warned) return;
  warned = true;
  const inForce = VARIABLES.filter((name) => process.env[name] !== undefined);
  if (inForce.length === 0) return;
  const list = inForce.map((name) => `${name}=${process.env[name] ?? ''}`).join(' ');
  process.emitWarning(`${list}: for tests only, durability may be less than what the device gives`, {
    type: 'NodeDaxWarning',
    code: 'NODE_DAX_OVERRIDE',
  });
}

/** The granularity that NODE_DAX_FORCE_GRANULARITY asks for, as PMEM2_FORCE_GRANULARITY does for libpmem2. */
export function forcedGranularity(): Granularity | undefined {
  const value = process.env['NODE_DAX_FORCE_GRANULARITY'];
  if (value === undefined || value === 'byte' || value === 'cache_line' || value === 'page') return value;
  throw new DaxError({
    errno: 'EINVAL',
    syscall: 'open',
    reason: 'GRANULARITY_NOT_SUPPORTED',
    hint: `NODE_DAX_FORCE_GRANULARITY must be byte, cache_line or page, it is '${value}'`,
  });
}
