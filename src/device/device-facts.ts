// Owns what `open` found out about a device, as users read it.

import type { Addon, NativeFacts } from '../binding.js';
import type { Evidence } from '../discovery/evidence.js';
import type { Persistence } from '../discovery/devices/region-persistence.js';

/** The facts that `open` found, from which the properties of the device follow. */
export interface DeviceFacts {
  /** The persistence domain of the NVDIMM region: `memory_controller`, `cpu_cache`, …; undefined if the kernel names none. */
  readonly persistenceDomain: string | undefined;
  /**
   * Whether bytes that were stored, and flushed as `granularity` says, survive a power cut. True: the kernel vouches for it.
   * False: the kernel knows that they do not. Undefined: the kernel does not know.
   */
  readonly persistent: boolean | undefined;
  /** The evidence for `persistent`. */
  readonly persistenceEvidence: Evidence;
  /** Whether the file has STATX_ATTR_DAX. */
  readonly statxDax: boolean;
  /** The physical address of the first byte of a devdax, or of the device below a DAX file; undefined if it is not known. */
  readonly resource: number | undefined;
  /** The instruction that flushes cache lines: `clwb`, `clflushopt`, `clflush`, `dc cvap`, `dc cvac` or `none`. */
  readonly flushInstruction: string;
  /** The length in bytes from which writes bypass the cache; undefined if none do. */
  readonly streamThreshold: number | undefined;
}

/** The facts that users get, from those of the addon and of discovery. */
export function factsOf(found: NativeFacts, { persistent, evidence }: Persistence, cpu: ReturnType<Addon['cpu']>): DeviceFacts {
  return Object.freeze({
    persistenceDomain: found.persistenceDomain === '' ? undefined : found.persistenceDomain,
    persistent,
    persistenceEvidence: evidence,
    statxDax: found.statxDax,
    resource: found.resource,
    flushInstruction: cpu.flushInstruction,
    streamThreshold: cpu.streamThreshold,
  });
}
