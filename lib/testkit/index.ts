// The public interface of node-dax/testkit: a test kit for authors of filesystems and drivers on node-dax.

export {
  checkCrashes,
  formatCrashes,
  type CrashFailure,
  type CrashOperation,
  type CrashReport,
  type CrashTest,
  type CrashTestOptions,
  type Moment,
} from './check-crashes.js';
export { checkDriver, type CheckDriverOptions } from './check-driver.js';
export { checkFilesystem, type CheckOptions } from './check-filesystem.js';
export type { FilesystemUnderTest, FileUnderTest, MakeFilesystem } from './filesystem/contract.js';
export { crashImages, type CrashImage, type CrashImageOptions } from './crash/crash-images.js';
export type { MakeDriver } from './driver/driver-session.js';
export { MemoryDevice } from './device/memory-device.js';
export { seeded, type Random } from './random.js';
export { GARBAGE, RecordingDevice } from './device/recording-device.js';
export { format, type Check, type Report } from './report.js';
export { storeLog } from './device/store-log.js';
export type { FenceEvent, FlushEvent, MarkEvent, StoreEvent, Trace, TraceEvent } from './device/trace.js';
