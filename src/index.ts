// The public interface of node-dax: everything that `import … from 'node-dax'` gives.

export { AbortError } from './abort.js';
export { argumentError, checkMethods, type ArgumentErrorCode } from './argument-error.js';
export type { DeviceKind, Granularity } from './binding.js';
export {
  bdevDirectAccess,
  checkDevice,
  checkDevices,
  type Abortable,
  type Backing,
  type MappableDevice,
  type BlockDevice,
  type BufferRange,
  type DeviceLock,
  type DeviceRun,
  type DirectAccess,
  type DirectAccessOp,
  type FlushOption,
  type LockMode,
  type RecordBatch,
  type PublisherOptions,
  type RecordPublisher,
  type WriteOptions,
} from './device/block-device.js';
export {
  BH_BOUNDARY,
  BH_DELAY,
  BH_MAPPED,
  BH_NEW,
  BH_SHARED,
  BH_UNWRITTEN,
  BH_UPTODATE,
  BufferHead,
  type BlockPlace,
} from './inode/buffer-head.js';
export { DaxFile, type DaxFileOptions } from './file/dax-file.js';
export { daxDoIo, daxDoIoAsync, DIO_LOCKING, DIO_SKIP_DIO_COUNT } from './io/dax-io.js';
export type { Iter } from './io/dax-walk.js';
export {
  daxFault,
  daxMkwrite,
  daxPfnMkwrite,
  VM_FAULT_FALLBACK,
  VM_FAULT_LOCKED,
  VM_FAULT_MAJOR,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  type FaultOperations,
  type VmArea,
  type VmFault,
} from './mmap/dax-fault.js';
export {
  DaxMapping,
  MADV_DONTNEED,
  MADV_NORMAL,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MADV_WILLNEED,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SYNC,
  PROT_READ,
  PROT_WRITE,
  type FaultInfo,
  type MappingHandle,
} from './mmap/dax-mapping.js';
export { daxMmap, type MmapOptions } from './mmap/dax-mmap.js';
export { daxUnshare } from './io/dax-unshare.js';
export { daxWriteback, daxWritebackAll } from './mmap/dax-writeback.js';
export { daxClearBlocks, daxTruncatePage, daxZeroPageRange } from './io/dax-zero.js';
export { crc32c } from './device/checksum.js';
export { DaxDevice } from './device/device.js';
export type { DeviceFacts } from './device/device-facts.js';
export { SmallFiles, type FileStats, type SmallFile } from './descriptor/small-files.js';
export { DescriptorWatch, exchange, readAvailable, receiveDescriptor, socketPair } from './descriptor/descriptor.js';
export { dataRuns } from './device/data-runs.js';
export { lockDevice } from './device/device-lock.js';
export type { Driver, DriverAnswer, Place } from './driver/driver.js';
export { blockDevice, DriverDevice } from './driver/driver-device.js';
export { alignedBuffer, directIoAlignment, type DirectIoAlignment } from './device/direct-io.js';
export { contentOf, type DeviceContent } from './discovery/use/content.js';
export { type DeviceHolders, type DeviceUse, type DeviceUseOptions, deviceUse } from './discovery/use/device-use.js';
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
  PersistentInfo,
  PmemInfo,
  RegionInfo,
} from './discovery/device-info.js';
export { doctor, type DoctorOptions } from './discovery/diagnosis/doctor.js';
export type { Evidence } from './discovery/evidence.js';
export { freezeSuper, thawSuper } from './inode/freeze.js';
export { list } from './discovery/list.js';
export type { Report } from './discovery/diagnosis/report.js';
export { SIGNATURE_LENGTH, signatureOf } from './discovery/use/signatures.js';
export { DaxError, type DaxErrorInit, type DaxErrorReason } from './errors.js';
export { type Extent, ExtentCache, type ExtentState } from './inode/extent-cache.js';
export { Inode, type EndIo, type FileMappings, type GetBlock, type InodeOperations, type SuperBlock } from './inode/inode.js';
export { asOperation, type LockRank } from './locks/lock-order.js';
export { lockRanges, type DeviceRange } from './device/lock-ranges.js';
export { loopTurn } from './locks/loop-turn.js';
export { openScratch, type ScratchOptions } from './device/scratch.js';
export { open, openSync, type OpenOptions } from './device/open.js';
export { checkOptions, type OptionNames } from './options.js';
export { partition } from './device/partition.js';
export { RwLock } from './locks/rw-lock.js';
export { PAGE_SIZE, SECTOR_SIZE, type Bytes } from './units.js';
export { readFull, readFullSync, writeAll, writeAllSync, type ByteSink, type ByteSource } from './device/whole.js';
