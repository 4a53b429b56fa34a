// Owns the public interface of `node-dax/vm`: guests with emulated persistent memory, for programs.

export { EXIT_GUEST, EXIT_TIMEOUT, VmError } from './error.js';
export { DEFAULT_NVDIMMS, NVDIMM_KINDS, parseDevice, parseNvdimm, type Nvdimm, type NvdimmKind, type NvdimmKindName } from './memory/nvdimm.js';
export type { VmOptions, VmStep } from './options.js';
export { cutPower, type PowerCut, type PowerCutOptions } from './power-cut.js';
export { qemuCommand, runVm, startVm, vmObstacle, type Vm } from './run.js';
