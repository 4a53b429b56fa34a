// Owns the filesystem as the facade's calls see it: with a working directory for relative paths, and with change notification.

import { joined, SLASH, type FsPath } from '../arguments/arguments.js';
import { Changes } from './changes.js';
import type {
  FsAttributes,
  FsDirent,
  FsFile,
  FsInode,
  FsName,
  FsStat,
  FsStatfs,
  FsTimes,
  MountedFilesystem,
} from '../contract.js';
import { fail } from '../errors/failure.js';

type OpenOptions = Parameters<MountedFilesystem['open']>[1];

export class Tree implements MountedFilesystem {
  readonly changes = new Changes();
  /** The working directory. */
  readonly cwd: string;
  readonly #mounted: MountedFilesystem;

  /** `cwd` begins with a slash. */
  constructor(mounted: MountedFilesystem, cwd: string) {
    this.#mounted = mounted;
    this.cwd = cwd;
  }

  get readOnly(): boolean {
    return this.#mounted.readOnly;
  }

  /** Makes a path absolute. */
  absolute(path: FsPath): FsPath {
    if (path.length === 0) fail('ENOENT', { syscall: 'open' });
    const first = typeof path === 'string' ? path.charCodeAt(0) : path[0];
    return first === SLASH ? path : joined(this.cwd === '/' ? '' : this.cwd, path);
  }

  lookup(dir: FsInode, name: FsName): FsInode | undefined {
    return this.#mounted.lookup(dir, name);
  }

  resolve(path: FsName, options?: { follow?: boolean }): FsInode {
    return this.#mounted.resolve(this.absolute(path), options);
  }

  resolveParent(path: FsName): { dir: FsInode; name: Uint8Array } {
    return this.#mounted.resolveParent(this.absolute(path));
  }

  readdir(dir: FsInode): Iterable<FsDirent> {
    return this.#mounted.readdir(dir);
  }

  names(dir: FsInode): string[] {
    return this.#mounted.names?.(dir) ?? Array.from(this.#mounted.readdir(dir), ({ name }) => name);
  }

  create(dir: FsInode, name: FsName, mode: number): FsInode {
    const inode = this.#mounted.create(dir, name, mode);
    this.changes.named(dir, name);
    return inode;
  }

  mkdir(dir: FsInode, name: FsName, mode: number): FsInode {
    const inode = this.#mounted.mkdir(dir, name, mode);
    this.changes.named(dir, name);
    return inode;
  }

  symlink(dir: FsInode, name: FsName, target: FsName): FsInode {
    const inode = this.#mounted.symlink(dir, name, target);
    this.changes.named(dir, name);
    return inode;
  }

  readlink(inode: FsInode): Uint8Array {
    return this.#mounted.readlink(inode);
  }

  link(inode: FsInode, dir: FsInode, name: FsName): void {
    this.#mounted.link(inode, dir, name);
    this.changes.named(dir, name);
  }

  unlink(dir: FsInode, name: FsName): void {
    this.#mounted.unlink(dir, name);
    this.changes.named(dir, name);
  }

  rmdir(dir: FsInode, name: FsName): void {
    this.#mounted.rmdir(dir, name);
    this.changes.named(dir, name);
  }

  rename(fromDir: FsInode, fromName: FsName, toDir: FsInode, toName: FsName): void {
    this.#mounted.rename(fromDir, fromName, toDir, toName);
    this.changes.named(fromDir, fromName);
    this.changes.named(toDir, toName);
  }

  stat(inode: FsInode): FsStat;
  stat(inode: FsInode, options: { readonly nanoseconds: true }): FsStat & FsTimes;
  stat(inode: FsInode, options?: { readonly nanoseconds: true }): FsStat {
    return options === undefined ? this.#mounted.stat(inode) : this.#mounted.stat(inode, options);
  }

  setattr(inode: FsInode, attributes: FsAttributes): void {
    this.#mounted.setattr(inode, attributes);
    this.changes.changed(inode);
  }

  open(inode: FsInode, options: OpenOptions): FsFile {
    return this.#mounted.open(inode, options);
  }

  hold(inode: FsInode): void {
    this.#mounted.hold(inode);
  }

  release(inode: FsInode): void {
    this.#mounted.release(inode);
  }

  statfs(): FsStatfs {
    return this.#mounted.statfs();
  }
}
