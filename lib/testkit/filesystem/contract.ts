// Owns the contract of a filesystem under test: the fewest calls that the kit needs.

import type { BlockDevice, DaxFile, Inode, InodeOperations } from 'node-dax';

/** The calls that the kit makes on an open file: a `DaxFile`, or a filesystem's own class with the same meaning. */
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
  /** The operations of its files. The kit calls them through a witness, which checks every call and answer. */
  readonly operations: InodeOperations;
  /** Makes an empty file. Names are short, of lower-case letters and digits. */
  create(name: string): Inode;
  /** Removes a file that is not open, and frees its blocks. */
  unlink(name: string): void;
  /** The number of free blocks of the filesystem's block size, exact at any time. */
  freeBlocks(): number;
  /**
   * Opens a file over `operations`, which are the witness's. Leave it out if `new DaxFile(inode, operations)` is right; a
   * filesystem with its own file class (its own locks, its own truncation) makes one here. A file without `mmap` is not tested
   * mapped.
   */
  open?(inode: Inode, operations: InodeOperations): FileUnderTest;
  /** Finds the file of that name after a mount. */
  lookup?(name: string): Inode | undefined;
  /** Mounts the filesystem on `device` after a power cut without an unmount. Give both this and `lookup`, or neither. */
  mount?(device: BlockDevice): FilesystemUnderTest;
}

/** Formats `device`, whose content is garbage, and mounts it. */
export type MakeFilesystem = (device: BlockDevice) => FilesystemUnderTest;
