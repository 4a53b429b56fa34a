// The public interface of node-dax/drivers: block devices made of memory, of segments or of other devices.

export { AxonRam, axonram, type BankOptions } from './axonram.js';
export { brd, RamDisk, type BrdOptions } from './brd.js';
export { dcssblk, SegmentDisk, type Segment, type SegmentAccess } from './dcssblk.js';
export { faulty, type FaultPlan, type FaultyAccess } from './faulty.js';
export { linear } from './linear.js';
export { readOnly } from './read-only.js';
export { striped, type StripedOptions } from './striped.js';
