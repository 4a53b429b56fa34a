// Owns a face of the tutorial's filesystem that node-dax/fs can stand on: one directory, and files that know their size alone.

import { DaxError, DaxFile, type DaxFileOptions } from 'node-dax';
import type { FsAttributes, FsDirent, FsFile, FsInode, FsName, FsStat, FsStatfs, FsTimes, MountedFilesystem } from 'node-dax/fs';
import type { TinyFs } from '../../docs/examples/tiny-fs.js';

const ROOT = 1000;

function fail(errno: string, syscall: string): never {
  throw new DaxError({ errno, syscall });
}

const textOf = (name: FsName) => (typeof name === 'string' ? name : Buffer.from(name).toString());

/** The root, and files by their names. */
class Node implements FsInode {
  readonly isSymlink = false;
  readonly name: string;
  readonly file: DaxFile | undefined;

  constructor(name: string, file: DaxFile | undefined) {
    this.name = name;
    this.file = file;
  }

  get ino(): number {
    return this.file?.inode.ino ?? ROOT;
  }

  get size(): number {
    return this.file?.size ?? 0;
  }

  get isRegular(): boolean {
    return this.file !== undefined;
  }

  get isDirectory(): boolean {
    return this.file === undefined;
  }

  get mode(): number {
    return this.isDirectory ? 0o040755 : 0o100644;
  }
}

/** A file that is open: the tutorial's filesystem need not know, so closing is no more than a word. */
class OpenFile extends DaxFile implements FsFile {
  closeSync(): void {
    this.end();
  }

  close(): Promise<void> {
    this.end();
    return this.isBusy ? this.idle() : Promise.resolve();
  }
}

export class FlatFilesystem implements MountedFilesystem<Node> {
  readonly readOnly = false;
  /** Directories that are open. Nobody can remove the one that there is. */
  held = 0;
  readonly #fs: TinyFs;
  readonly #root = new Node('', undefined);

  constructor(fs: TinyFs) {
    this.#fs = fs;
  }

  lookup(dir: Node, name: FsName): Node | undefined {
    if (!dir.isDirectory) return fail('ENOTDIR', 'lookup');
    const text = textOf(name);
    if (text === '.' || text === '..') return this.#root;
    const file = this.#fs.lookup(text);
    return file && new Node(text, file);
  }

  resolve(path: FsName): Node {
    let at = this.#root;
    for (const part of textOf(path).split('/').filter((name) => name !== '')) at = this.lookup(at, part) ?? fail('ENOENT', 'resolve');
    if (textOf(path).endsWith('/') && !at.isDirectory) fail('ENOTDIR', 'resolve');
    return at;
  }

  resolveParent(path: FsName): { dir: Node; name: Uint8Array } {
    const parts = textOf(path).split('/').filter((name) => name !== '');
    const name = Buffer.from(parts.pop() ?? '.');
    return { dir: this.resolve(`/${parts.join('/')}`), name };
  }

  *readdir(dir: Node): Generator<FsDirent> {
    if (!dir.isDirectory) fail('ENOTDIR', 'readdir');
    for (const name of ['.', '..']) yield { name, bytes: Buffer.from(name), ino: ROOT, type: 2 };
    for (const name of this.#fs.names()) {
      const ino = this.#fs.lookup(name)?.inode.ino ?? 0;
      yield { name, bytes: Buffer.from(name), ino, type: 1 };
    }
  }

  create(_dir: Node, name: FsName): Node {
    return new Node(textOf(name), this.#fs.create(textOf(name)));
  }

  unlink(dir: Node, name: FsName): void {
    if (this.lookup(dir, name)?.isDirectory === true) fail('EISDIR', 'unlink');
    this.#fs.unlink(textOf(name));
  }

  stat(inode: Node): FsStat & FsTimes {
    const { ino, mode, size, file } = inode;
    const ms = file?.inode.mtimeMs ?? 0;
    const ns = BigInt(Math.floor(ms)) * 1_000_000n;
    const times = { atimeMs: ms, mtimeMs: ms, ctimeMs: ms, birthtimeMs: undefined };
    const exact = { atimeNs: ns, mtimeNs: ns, ctimeNs: ns, birthtimeNs: undefined };
    return { ino, mode, size, nlink: 1, uid: 0, gid: 0, device: undefined, blksize: 4096, blocks: Math.ceil(size / 512), ...times, ...exact };
  }

  setattr(_inode: Node, attributes: FsAttributes): void {
    if (Object.keys(attributes).length > 0) fail('EPERM', 'setattr');
  }

  open(inode: Node, options: DaxFileOptions): FsFile {
    return new OpenFile(inode.file?.inode ?? fail('EISDIR', 'open'), this.#fs.operations, options);
  }

  statfs(): FsStatfs {
    const free = this.#fs.freeBlocks();
    const blocks = { blockSize: 4096, blocks: free, freeBlocks: free, availableBlocks: free };
    return { type: 0x54696e79, ...blocks, inodes: 0, freeInodes: 0 };
  }

  hold(): void {
    this.held++;
  }

  release(): void {
    this.held--;
  }

  mkdir(): never {
    return fail('EPERM', 'mkdir');
  }

  rmdir(): never {
    return fail('EPERM', 'rmdir');
  }

  symlink(): never {
    return fail('EPERM', 'symlink');
  }

  link(): never {
    return fail('EPERM', 'link');
  }

  readlink(): never {
    return fail('EINVAL', 'readlink');
  }

  rename(): never {
    return fail('EPERM', 'rename');
  }
}
