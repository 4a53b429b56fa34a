// Owns a file or directory of famfs, as its entry in the log has it. It never changes and never goes.

import { INTERLEAVED, type FileEntry } from '../format/entry.js';

const DIRECTORY = 0o040000;
const REGULAR = 0o100000;
const PERMISSIONS = 0o10000;

/** What a path leads to. There is one object for each, as long as it is mounted. */
export class FamfsInode {
  /** 1 is the root; the others have the index of their entry plus 2, on every host. */
  readonly ino: number;
  /** Type and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly isSymlink = false;
  /** @internal The name, a character a byte. */
  readonly name: string;
  /** @internal The directory that it is in; the root is in itself. */
  readonly parent: FamfsInode;
  /** @internal What is in a directory, by name. */
  readonly children: Map<string, FamfsInode> | undefined;
  /** @internal Where the bytes of a file are. */
  readonly entry: FileEntry | undefined;
  /** @internal How many directories are in it. */
  directories = 0;

  private constructor(ino: number, parent: FamfsInode | undefined, name: string, owner: Owned, entry: FileEntry | undefined) {
    this.ino = ino;
    this.parent = parent ?? this;
    this.name = name;
    this.uid = owner.uid;
    this.gid = owner.gid;
    this.mode = (owner.mode % PERMISSIONS) + (entry === undefined ? DIRECTORY : REGULAR);
    this.entry = entry;
    this.children = entry === undefined ? new Map() : undefined;
  }

  static root(): FamfsInode {
    return new FamfsInode(1, undefined, '', { uid: 0, gid: 0, mode: 0o755 }, undefined);
  }

  static directory(index: number, parent: FamfsInode, name: string, owner: Owned): FamfsInode {
    return new FamfsInode(index + 2, parent, name, owner, undefined);
  }

  static file(index: number, parent: FamfsInode, name: string, entry: FileEntry): FamfsInode {
    return new FamfsInode(index + 2, parent, name, entry, entry);
  }

  get isRegular(): boolean {
    return this.entry !== undefined;
  }

  get isDirectory(): boolean {
    return this.entry === undefined;
  }

  /** Bytes; 0 of a directory. */
  get size(): number {
    return this.entry?.size ?? 0;
  }

  /** Over how many strips its bytes go in turn; 0 for a file that is not striped, or a directory. */
  get stripes(): number {
    return this.entry?.extentType === INTERLEAVED ? this.entry.stripCount : 0;
  }

  /** The path from the root, with a slash first. What is no UTF-8 in it is U+FFFD. */
  get path(): string {
    return this.bytes.toString();
  }

  /** @internal The path in its own bytes. */
  get bytes(): Buffer {
    const names: string[] = [];
    for (let at: FamfsInode = this; at.parent !== at; at = at.parent) names.push(at.name); // eslint-disable-line @typescript-eslint/no-this-alias -- where the way up begins
    return Buffer.from(`/${names.reverse().join('/')}`, 'latin1');
  }
}

interface Owned {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}
