// Owns the inode of a file or directory, as its entry in the log describes it. It is never changed or removed.

import { INTERLEAVED, type FileEntry } from '../format/entry.js';
import { nameOf } from './names.js';

const DIRECTORY = 0o040000;
const REGULAR = 0o100000;
const PERMISSIONS = 0o10000;

const ROOT_INO = 1;

/** The inode number of what entry `index` makes. */
export function inoOf(index: number): number {
  return index + ROOT_INO + 1;
}

/** A file or directory. There is one object at most for each while the famfs is mounted. */
export class FamfsInode {
  /** 1 for the root; otherwise the index of the log entry plus 2, the same on every host. */
  readonly ino: number;
  /** Type and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly isSymlink = false;
  /** @internal The path as the log has it: without a slash in front, one character per byte. */
  readonly stored: string;
  /** @internal The parent directory; the root is its own parent. */
  readonly parent: FamfsInode;
  /** @internal The log entry of a file, with its extents; undefined for a directory. */
  readonly entry: FileEntry | undefined;

  private constructor(ino: number, parent: FamfsInode | undefined, stored: string, owner: Owned, entry: FileEntry | undefined) {
    this.ino = ino;
    this.parent = parent ?? this;
    this.stored = stored;
    this.uid = owner.uid;
    this.gid = owner.gid;
    this.mode = (owner.mode % PERMISSIONS) + (entry === undefined ? DIRECTORY : REGULAR);
    this.entry = entry;
  }

  static root(): FamfsInode {
    return new FamfsInode(ROOT_INO, undefined, '', { uid: 0, gid: 0, mode: 0o755 }, undefined);
  }

  static directory(index: number, parent: FamfsInode, stored: string, owner: Owned): FamfsInode {
    return new FamfsInode(inoOf(index), parent, stored, owner, undefined);
  }

  static file(index: number, parent: FamfsInode, stored: string, entry: FileEntry): FamfsInode {
    return new FamfsInode(inoOf(index), parent, stored, entry, entry);
  }

  /** @internal The name, one character per byte. */
  get name(): string {
    return nameOf(this.stored);
  }

  get isRegular(): boolean {
    return this.entry !== undefined;
  }

  get isDirectory(): boolean {
    return this.entry === undefined;
  }

  /** Bytes; 0 for a directory. */
  get size(): number {
    return this.entry?.size ?? 0;
  }

  /** The number of strips over which its bytes are distributed in turn; 0 for a file that is not striped, or a directory. */
  get stripes(): number {
    return this.entry?.extentType === INTERLEAVED ? this.entry.stripCount : 0;
  }

  /** The absolute path. Invalid UTF-8 in it becomes U+FFFD. */
  get path(): string {
    return this.bytes.toString();
  }

  /** @internal The absolute path as bytes. */
  get bytes(): Buffer {
    return Buffer.from(`/${this.stored}`, 'latin1');
  }
}

interface Owned {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}
