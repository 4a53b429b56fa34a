// Owns the contract of a filesystem under test: the least that the kit must be able to ask of it.

import type { BlockDevice, DaxFile, Inode, InodeOperations } from 'node-dax';

/** What the kit does with an open file. A `DaxFile`, or a filesystem's own with the same meaning. */
export type FileUnderTest = Pick<
  DaxFile,
  | 'size'
  | 'readSync'
  | 'read'
  | 'writeSync'
  | 'write'
  | 'appendSync'
  | 'truncateSync'
  | 'truncate'
  | 'punchHoleSync'
  | 'zeroRangeSync'
  | 'fsync'
> &
  Partial<Pick<DaxFile, 'mmap'>>;

/** A mounted filesystem. */
export interface FilesystemUnderTest {
  /** What its files do. The kit calls these through a witness that looks at every call and answer. */
  readonly operations: InodeOperations;
  /** Makes an empty file. Names are short, of small letters and digits. */
  create(name: string): Inode;
  /** Removes a file that nobody has open, and frees its blocks. */
  unlink(name: string): void;
  /** The blocks that are free, in units of the filesystem's block size, exact at any time. */
  freeBlocks(): number;
  /**
   * Opens a file over `operations`, which are the witness's. Leave it out where `new DaxFile(inode, operations)` does; a
   * filesystem with a file object of its own (its own locks, its own truncation) makes it here. Without `mmap` files are not
   * tested mapped.
   */
  open?(inode: Inode, operations: InodeOperations): FileUnderTest;
  /** The file of that name, after a mount. */
  lookup?(name: string): Inode | undefined;
  /** Mounts what is on `device`, which was cut off power without a goodbye. Together with `lookup`. */
  mount?(device: BlockDevice): FilesystemUnderTest;
}

/** Formats `device`, whose content is garbage, and mounts it. */
export type MakeFilesystem = (device: BlockDevice) => FilesystemUnderTest;
