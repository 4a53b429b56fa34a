// The public interface of node-dax: everything that `import … from 'node-dax'` gives.

export type { DeviceKind, Granularity } from './binding.js';
export {
  bdevDirectAccess,
  type BlockDevice,
  type BufferRange,
  type DirectAccess,
  type DirectAccessOp,
  type FlushOption,
  type WriteOptions,
} from './block-device.js';
export { DaxDevice, type Abortable, type DeviceFacts } from './device.js';
export { type DeviceHolders, type DeviceUse, deviceUse } from './discovery/device-use.js';
export type {
  BadBlocks,
  BrdInfo,
  DevdaxRange,
  DaxOption,
  DaxRegion,
  DeviceInfo,
  DevdaxInfo,
  MountInfo,
  PersistenceDomain,
  PmemInfo,
  RegionInfo,
} from './discovery/device-info.js';
export { doctor } from './discovery/doctor.js';
export { list } from './discovery/list.js';
export type { Evidence, Report } from './discovery/report.js';
export { SIGNATURE_LENGTH, signatureOf } from './discovery/signatures.js';
export { DaxError, type DaxErrorInit, type DaxErrorReason } from './errors.js';
export { open, openSync, type OpenOptions } from './open.js';
export { partition } from './partition.js';
export { PAGE_SIZE, SECTOR_SIZE, type Bytes } from './units.js';
