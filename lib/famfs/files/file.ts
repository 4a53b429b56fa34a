// Owns the inode operations for DAX, and `FamfsFile`, an open file.

import { DaxError, DaxFile, Inode, type Bytes, type DaxFileOptions, type InodeOperations } from 'node-dax';
import type { FileEntry } from '../format/entry.js';
import { fail } from '../format/error.js';
import type { Medium } from '../medium.js';
import type { FamfsInode } from '../tree/node.js';
import { placeOf, runsOf } from './place.js';

const BLOCK = 4096;

// A file's inode as DAX uses it. Its size is fixed when the file is created.
class Mapped extends Inode {
  readonly entry: FileEntry;

  constructor(medium: Medium, readOnly: boolean, { ino, mode }: FamfsInode, entry: FileEntry) {
    super({ blockSize: BLOCK, bdev: medium.device, maxBytes: entry.size, readOnly }, ino, entry.size);
    this.mode = mode;
    this.entry = entry;
  }
}

/** The files of one mounted famfs. */
export class Files {
  /** The number of open files. */
  open = 0;
  readonly #medium: Medium;
  readonly #readOnly: boolean;
  /** What DAX calls for every file. */
  readonly operations: InodeOperations;
  // All files that were ever opened, so all handles of a file share its locks.
  readonly #inodes = new Map<FamfsInode, Mapped>();
  #isMounted = true;

  constructor(medium: Medium, readOnly: boolean) {
    this.#medium = medium;
    this.#readOnly = readOnly;
    this.operations = {
      getBlock: (inode, iblock, bh) => {
        this.#checkMounted('read');
        const { entry } = inode as Mapped;
        const run = placeOf(entry, iblock * BLOCK);
        // A place outside all extents is past the end of the file, and is never requested.
        if (run !== undefined) bh.map(medium.device, run.pos / BLOCK, Math.min(bh.size, run.length));
      },
      truncateBlocks: () => undefined,
      fsync: (inode, pos, end) => {
        this.#checkMounted('fsync');
        for (const run of runsOf((inode as Mapped).entry, pos, end)) medium.writeBack(run.pos, run.length);
      },
    };
  }

  /** Opens a file. */
  openFile(inode: FamfsInode, options: DaxFileOptions): FamfsFile {
    const { entry } = inode;
    if (entry === undefined) return fail('EISDIR', 'open', inode.path);
    let mapped = this.#inodes.get(inode);
    if (mapped === undefined) this.#inodes.set(inode, (mapped = new Mapped(this.#medium, this.#readOnly, inode, entry)));
    return new FamfsFile(this, mapped, this.operations, options);
  }

  /** Writes stores through mappings back to the memory, and drops the file from this host's caches. */
  flush(inode: FamfsInode): void {
    const { entry } = inode;
    if (entry === undefined) return;
    for (const { pos, length } of runsOf(entry)) {
      if (!this.#readOnly) this.#medium.writeBack(pos, length);
      this.#medium.invalidate(pos, length);
    }
  }

  /** Ends the use of all files: they can no longer be read, and mappings lose their pages. */
  end(): void {
    this.#isMounted = false;
    for (const inode of this.#inodes.values()) if (inode.activity !== undefined) inode.extents.invalidate();
  }

  #checkMounted(syscall: string): void {
    if (!this.#isMounted) fail('EBADF', syscall, 'it was unmounted');
  }
}

/**
 * An open file. Its size is fixed: a write past the end is cut short or fails with `EFBIG`, and truncation fails with `EPERM`.
 * Other hosts see what is written here once they have dropped their caches (`Famfs.flush`); stores through a mapping must be
 * written back to the memory by `fsync` first.
 */
export class FamfsFile extends DaxFile {
  readonly #files: Files;
  #closing: Promise<void> | undefined;

  /** @internal Use `Famfs.open`. */
  constructor(files: Files, inode: Inode, operations: InodeOperations, options: DaxFileOptions) {
    super(inode, operations, options);
    this.#files = files;
    files.open++;
  }

  /** Throws `EPERM` unless `size` is the file's size. */
  override truncateSync(size: Bytes): void {
    if (Number(size) !== this.size) throw this.#fixed();
    super.truncateSync(size);
  }

  override async truncate(size: Bytes): Promise<void> {
    if (Number(size) !== this.size) throw this.#fixed();
    await super.truncate(size);
  }

  /** Closes this handle. Throws `EAGAIN` while work begun through it is under way; `close` waits for it. */
  closeSync(): void {
    if (!this.isOpen) return;
    if (this.isBusy) fail('EAGAIN', 'close', 'reads or writes are under way: await them, or close()');
    this.end();
    this.#files.open--;
  }

  close(): Promise<void> {
    if (this.isOpen) this.#closing = this.#end();
    return this.#closing ?? Promise.resolve();
  }

  async #end(): Promise<void> {
    this.end();
    if (this.isBusy) await this.idle();
    this.#files.open--;
  }

  [Symbol.dispose](): void {
    this.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #fixed(): DaxError {
    return new DaxError({ errno: 'EPERM', syscall: 'truncate', hint: 'a file of famfs keeps the size that it was created with' });
  }
}
