// The public interface of node-dax/testkit: a test kit for those who write filesystems on node-dax.

export { checkFilesystem, type CheckOptions } from './check-filesystem.js';
export type { FilesystemUnderTest, FileUnderTest, MakeFilesystem } from './contract.js';
export { GARBAGE, RecordingDevice, type DeviceEvent } from './recording-device.js';
export { format, type Check, type Report } from './report.js';
