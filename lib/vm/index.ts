// Owns the entry point of the guest runner for programs: `runVm`, its options and its errors.

export { EXIT_GUEST, EXIT_TIMEOUT, VmError } from './error.js';
export { DEFAULT_NVDIMMS, NVDIMM_KINDS, parseDevice, parseNvdimm, type Nvdimm, type NvdimmKindName } from './nvdimm.js';
export type { VmOptions } from './options.js';
export { runVm, vmObstacle } from './run.js';
