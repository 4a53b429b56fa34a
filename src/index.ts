// The public interface of node-dax: everything that `import … from 'node-dax'` gives.

export { type DeviceUse, deviceUse } from './discovery/device-use.js';
export type {
  BadBlocks,
  BrdInfo,
  DaxMapping,
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
export type { Evidence, Granularity, Report } from './discovery/report.js';
export { SIGNATURE_LENGTH, signatureOf } from './discovery/signatures.js';
export { DaxError, type DaxErrorInit, type DaxErrorReason } from './errors.js';
export { PAGE_SIZE, SECTOR_SIZE, type Bytes } from './units.js';
