// Owns a model of a tree of files, and random operations that a filesystem must answer as the model does.

import { DaxError } from 'node-dax';
import { mount, S_IFIFO, type Ext2, type Ext2File, type Ext2Inode } from 'node-dax/ext2';
import type { ImageDevice } from './ext2-image.js';
import type { Random } from './random.js';

interface Common {
  mode: number;
  uid: number;
  gid: number;
  mtimeMs: number | undefined;
  readonly attributes: Map<string, Buffer>;
}

interface FileNode extends Common {
  readonly kind: 'file';
  content: Buffer;
  nlink: number;
}

interface DirNode extends Common {
  readonly kind: 'dir';
  readonly entries: Map<string, Node>;
  parent: DirNode;
}

interface OtherNode extends Common {
  readonly kind: 'symlink' | 'fifo';
  readonly target: string;
  nlink: number;
}

type Node = FileNode | DirNode | OtherNode;

const MAX_FILE = 300_000;
const NAMES = 24;

/** A file that is open, with or without a name. */
interface Open {
  node: FileNode;
  file: Ext2File;
}

function common(mode: number): Common {
  return { mode, uid: 0, gid: 0, mtimeMs: undefined, attributes: new Map() };
}

const S_ISGID = 0o2000;

// What is new in a directory of a group is the group's.
function inherited(dir: DirNode, mode: number, isDir = false): Common {
  const isGroups = Math.floor(dir.mode / S_ISGID) % 2 === 1;
  return { ...common(isGroups && isDir ? mode + S_ISGID : mode), gid: isGroups ? dir.gid : 0 };
}

function isWithin(dir: DirNode, node: Node): boolean {
  for (let at = dir; ; at = at.parent) {
    if (at === node) return true;
    if (at.parent === at) return false;
  }
}

/** A name in a directory, and what has it. */
interface Entry {
  dir: DirNode;
  name: string;
  node: Node | undefined;
}

/** A filesystem and its model. Throws an `Error` that tells the difference as soon as there is one. */
export class Ext2Model {
  readonly #device: ImageDevice;
  readonly #random: Random;
  readonly #hasAttributes: boolean;
  #fs: Ext2;
  readonly #root: DirNode;
  #open: Open[] = [];
  /** How often each operation was answered, by name and errno. */
  readonly answers = new Map<string, number>();

  constructor(device: ImageDevice, random: Random, hasAttributes: boolean) {
    this.#device = device;
    this.#random = random;
    this.#hasAttributes = hasAttributes;
    this.#fs = this.#mount();
    this.#root = { kind: 'dir', entries: new Map(), ...common(0o755) } as unknown as DirNode;
    this.#root.parent = this.#root;
    const lost: DirNode = { kind: 'dir', entries: new Map(), parent: this.#root, ...common(0o700) };
    this.#root.entries.set('lost+found', lost);
  }

  get fs(): Ext2 {
    return this.#fs;
  }

  /** One random operation. */
  step(): void {
    const random = this.#random.below(100);
    if (random < 12) this.#create();
    else if (random < 17) this.#mkdir();
    else if (random < 37) this.#write();
    else if (random < 43) this.#truncate();
    else if (random < 47) this.#punch();
    else if (random < 51) this.#read();
    else if (random < 56) this.#link();
    else if (random < 64) this.#unlink();
    else if (random < 68) this.#rmdir();
    else if (random < 78) this.#rename();
    else if (random < 81) this.#symlink();
    else if (random < 84) this.#setattr();
    else if (random < 89) this.#xattr();
    else if (random < 92) this.#openOne();
    else if (random < 95) this.#closeOne();
    else if (random < 97) this.#syncSomething();
    else if (random < 98) this.#remount();
    else this.#compareSome();
  }

  /** Closes every file, and stores everything on the medium. */
  settle(): void {
    while (this.#open.length > 0) this.#closeOne();
    this.#fs.sync();
  }

  /** Unmounts and mounts again. */
  remount(): void {
    this.settle();
    this.#fs.unmount();
    this.#fs = this.#mount();
  }

  unmount(): void {
    this.settle();
    this.#fs.unmount();
  }

  /** Compares the whole tree. */
  compare(): void {
    this.#compareTree(this.#root, this.#fs.root, '');
  }

  #mount(): Ext2 {
    return mount(this.#device, {
      owner: { uid: 0, gid: 0 },
      onWarning: (message) => {
        throw new Error(`it warned: ${message}`);
      },
    });
  }

  #remount(): void {
    if (this.#random.below(20) === 0) this.remount();
  }

  #compareSome(): void {
    if (this.#random.below(20) === 0) this.compare();
  }

  // --- choosing

  #dirs(): DirNode[] {
    const found: DirNode[] = [];
    const visit = (dir: DirNode) => {
      found.push(dir);
      for (const node of dir.entries.values()) if (node.kind === 'dir') visit(node);
    };
    visit(this.#root);
    return found;
  }

  #anyDir(): DirNode {
    return this.#random.pick(this.#dirs());
  }

  #anyName(): string {
    const number = this.#random.below(NAMES);
    // Long and short, so entries fit and do not fit in what others leave.
    return number % 5 === 0 ? `${number}${'ü'.repeat(number * 4)}` : `n${number}${'x'.repeat((number * 7) % 40)}`;
  }

  #anyEntry(): Entry {
    const dir = this.#anyDir();
    const names = [...dir.entries.keys()];
    const name = names.length > 0 && this.#random.below(5) > 0 ? this.#random.pick(names) : this.#anyName();
    return { dir, name, node: dir.entries.get(name) };
  }

  #anyFile(): FileNode | undefined {
    if (this.#open.length > 0 && this.#random.below(4) === 0) return this.#random.pick(this.#open).node;
    const files = this.#dirs().flatMap((dir) => [...dir.entries.values()].filter((node) => node.kind === 'file'));
    return files.length === 0 ? undefined : this.#random.pick(files);
  }

  #pathOf(node: Node): string[] | undefined {
    const find = (dir: DirNode, path: string[]): string[] | undefined => {
      for (const [name, child] of dir.entries) {
        if (child === node) return [...path, name];
        const found = child.kind === 'dir' ? find(child, [...path, name]) : undefined;
        if (found !== undefined) return found;
      }
      return undefined;
    };
    return node === this.#root ? [] : find(this.#root, []);
  }

  #inode(node: Node): Ext2Inode {
    const opened = this.#open.find((open) => open.node === node);
    if (opened !== undefined) return opened.file.inode;
    const path = this.#pathOf(node);
    if (path === undefined) throw new Error('the model lost a node');
    return this.#fs.resolve(`/${path.join('/')}`, { follow: false });
  }

  #withFile(node: FileNode, work: (file: Ext2File) => void): void {
    const opened = this.#open.find((open) => open.node === node);
    const file = opened?.file ?? this.#fs.open(this.#inode(node));
    try {
      work(file);
    } finally {
      if (opened === undefined) file.closeSync();
    }
  }

  // --- expecting

  // Does it, and expects an errno or success. What finds no space changes nothing.
  #expect(what: string, errno: string | undefined, work: () => void): boolean {
    let code: string | undefined;
    try {
      work();
    } catch (error) {
      if (!(error instanceof DaxError)) throw error;
      code = error.code;
      if (code === 'EUCLEAN' || code === 'EIO') throw error;
    }
    const answer = `${what} ${code ?? 'done'}`;
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
    if (code === 'ENOSPC' && errno === undefined) {
      this.#mustBeFull(what);
      return false;
    }
    if (code !== errno) throw new Error(`${what}: ${code ?? 'done'} instead of ${errno ?? 'done'}`);
    return code === undefined;
  }

  #mustBeFull(what: string): void {
    const { freeBlocks, freeInodes, blocks } = this.#fs.statfs();
    if (freeBlocks > blocks / 20 && freeInodes > 0) throw new Error(`${what}: ENOSPC with ${freeBlocks} blocks free`);
  }

  // --- operations

  #create(): void {
    const { dir, name, node } = this.#anyEntry();
    const mode = this.#random.below(0o1000);
    const errno = node === undefined ? undefined : 'EEXIST';
    const done = this.#expect('create', errno, () => this.#fs.create(this.#inode(dir), name, mode));
    if (done) dir.entries.set(name, { kind: 'file', content: Buffer.alloc(0), nlink: 1, ...inherited(dir, mode) });
  }

  #mkdir(): void {
    const { dir, name, node } = this.#anyEntry();
    const errno = node === undefined ? undefined : 'EEXIST';
    const done = this.#expect('mkdir', errno, () => this.#fs.mkdir(this.#inode(dir), name, 0o750));
    if (done) dir.entries.set(name, { kind: 'dir', entries: new Map(), parent: dir, ...inherited(dir, 0o750, true) });
  }

  #symlink(): void {
    const { dir, name, node } = this.#anyEntry();
    const target = 'target/'.repeat(1 + this.#random.below(60));
    const errno = node === undefined ? undefined : 'EEXIST';
    const isFifo = this.#random.below(4) === 0;
    const done = this.#expect('symlink', errno, () => {
      if (isFifo) this.#fs.mknod(this.#inode(dir), name, S_IFIFO + 0o600);
      else this.#fs.symlink(this.#inode(dir), name, target);
    });
    if (!done) return;
    const kind = isFifo ? 'fifo' : 'symlink';
    dir.entries.set(name, { kind, target: isFifo ? '' : target, nlink: 1, ...inherited(dir, isFifo ? 0o600 : 0o777) });
  }

  #write(): void {
    const node = this.#anyFile();
    if (node === undefined) return;
    const bytes = Buffer.from(this.#random.bytes(1 + this.#random.below(this.#random.below(4) === 0 ? 150_000 : 3000)));
    const isAppend = this.#random.below(2) === 0;
    const pos = isAppend ? node.content.length : this.#random.below(MAX_FILE);
    if (pos + bytes.length > MAX_FILE) return;
    this.#withFile(node, (file) => {
      let written = 0;
      // Also when it fails (IO-13).
      node.mtimeMs = undefined;
      this.#expect('write', undefined, () => {
        written = file.writeSync(bytes, pos);
      });
      if (written < bytes.length) this.#mustBeFull('a short write');
      if (written === 0) return;
      const size = Math.max(node.content.length, pos + written);
      const content = Buffer.alloc(size);
      node.content.copy(content);
      bytes.copy(content, pos, 0, written);
      node.content = content;
    });
  }

  #truncate(): void {
    const node = this.#anyFile();
    if (node === undefined) return;
    const size = this.#random.below(4) === 0 ? this.#random.below(MAX_FILE) : this.#random.below(node.content.length + 1);
    this.#withFile(node, (file) => {
      file.truncateSync(size);
    });
    const content = Buffer.alloc(size);
    node.content.copy(content);
    node.mtimeMs = undefined;
    node.content = content;
  }

  #punch(): void {
    const node = this.#anyFile();
    if (node === undefined || node.content.length === 0) return;
    const pos = this.#random.below(node.content.length);
    const length = this.#random.below(50_000);
    this.#withFile(node, (file) => {
      if (this.#random.below(3) === 0) file.zeroRangeSync(pos, length);
      else file.punchHoleSync(pos, length);
    });
    node.content.fill(0, pos, Math.min(node.content.length, pos + length));
    node.mtimeMs = undefined;
  }

  #read(): void {
    const node = this.#anyFile();
    if (node === undefined) return;
    const pos = this.#random.below(node.content.length + 1000);
    const target = Buffer.alloc(this.#random.below(20_000));
    this.#withFile(node, (file) => {
      const read = file.readSync(target, pos);
      const expected = node.content.subarray(pos, pos + target.length);
      if (!target.subarray(0, read).equals(expected)) throw new Error(`read ${target.length} at ${pos} differs`);
    });
  }

  #link(): void {
    const { dir, name, node } = this.#anyEntry();
    const file = this.#anyFile();
    if (file === undefined) return;
    const errno = node !== undefined ? 'EEXIST' : file.nlink === 0 ? 'ENOENT' : undefined;
    const done = this.#expect('link', errno, () => {
      this.#fs.link(this.#inode(file), this.#inode(dir), name);
    });
    if (!done) return;
    dir.entries.set(name, file);
    file.nlink++;
  }

  #unlink(): void {
    const { dir, name, node } = this.#anyEntry();
    const errno = node === undefined ? 'ENOENT' : node.kind === 'dir' ? 'EISDIR' : undefined;
    const done = this.#expect('unlink', errno, () => {
      this.#fs.unlink(this.#inode(dir), name);
    });
    if (!done || node === undefined || node.kind === 'dir') return;
    dir.entries.delete(name);
    node.nlink--;
  }

  #rmdir(): void {
    const { dir, name, node } = this.#anyEntry();
    const errno =
      node === undefined ? 'ENOENT' : node.kind !== 'dir' ? 'ENOTDIR' : node.entries.size > 0 ? 'ENOTEMPTY' : undefined;
    const done = this.#expect('rmdir', errno, () => {
      this.#fs.rmdir(this.#inode(dir), name);
    });
    if (done) dir.entries.delete(name);
  }

  #rename(): void {
    const from = this.#anyEntry();
    const to = this.#anyEntry();
    const errno = this.#renameErrno(from, to);
    const done = this.#expect('rename', errno, () => {
      this.#fs.rename(this.#inode(from.dir), from.name, this.#inode(to.dir), to.name);
    });
    if (!done || from.node === undefined || from.node === to.node) return;
    from.dir.entries.delete(from.name);
    to.dir.entries.set(to.name, from.node);
    if (to.node !== undefined && to.node.kind !== 'dir') to.node.nlink--;
    if (from.node.kind === 'dir') from.node.parent = to.dir;
  }

  #renameErrno({ dir: fromDir, node }: Entry, { dir: toDir, node: replaced }: Entry): string | undefined {
    if (node === undefined) return 'ENOENT';
    if (node === replaced) return undefined;
    if (node.kind === 'dir' && isWithin(toDir, node)) return 'EINVAL';
    if (replaced === undefined) return undefined;
    if (replaced.kind === 'dir' && isWithin(fromDir, replaced)) return 'ENOTEMPTY';
    if (node.kind === 'dir' && replaced.kind !== 'dir') return 'ENOTDIR';
    if (node.kind !== 'dir' && replaced.kind === 'dir') return 'EISDIR';
    return replaced.kind === 'dir' && replaced.entries.size > 0 ? 'ENOTEMPTY' : undefined;
  }

  #setattr(): void {
    const { node } = this.#anyEntry();
    if (node === undefined) return;
    const [mode, uid, gid] = [this.#random.below(0o10000), this.#random.below(200_000), this.#random.below(200_000)];
    const mtimeMs = this.#random.below(2_000_000_000) * 1000 + (this.#hasAttributes ? this.#random.below(1000) : 0);
    const inodeSize = Buffer.alloc(2);
    this.#device.readSync(inodeSize, 1024 + 88);
    const isWhole = inodeSize.readUInt16LE() === 128;
    this.#fs.setattr(this.#inode(node), { mode, uid, gid, mtimeMs });
    Object.assign(node, { mode, uid, gid, mtimeMs: isWhole ? Math.floor(mtimeMs / 1000) * 1000 : mtimeMs });
    // Until the next mount, memory has more than the medium can.
    if (isWhole) this.#fs.setattr(this.#inode(node), { mtimeMs: Math.floor(mtimeMs / 1000) * 1000 });
    // A directory's changes with its entries.
    if (node.kind === 'dir') node.mtimeMs = undefined;
  }

  #xattr(): void {
    const { node } = this.#anyEntry();
    if (!this.#hasAttributes || node === undefined) return;
    const inode = this.#inode(node);
    const name = `user.${'a'.repeat(1 + this.#random.below(6))}`;
    if (this.#random.below(3) === 0) {
      const errno = node.attributes.has(name) ? undefined : 'ENODATA';
      const done = this.#expect('removexattr', errno, () => {
        this.#fs.removexattr(inode, name);
      });
      if (done) node.attributes.delete(name);
      return;
    }
    // Few values, so blocks are shared.
    const value = Buffer.alloc(this.#random.below(3) * 40, name);
    const wasFull = [...node.attributes.values()].reduce((sum, bytes) => sum + bytes.length + 32, 0) > 700;
    if (wasFull) return;
    const done = this.#expect('setxattr', undefined, () => {
      this.#fs.setxattr(inode, name, value);
    });
    if (done) node.attributes.set(name, value);
  }

  #openOne(): void {
    const node = this.#anyFile();
    if (node === undefined || this.#open.length > 8 || this.#open.some((open) => open.node === node)) return;
    this.#open.push({ node, file: this.#fs.open(this.#inode(node)) });
  }

  #closeOne(): void {
    const [open] = this.#open.splice(this.#random.below(Math.max(1, this.#open.length)), 1);
    open?.file.closeSync();
  }

  #syncSomething(): void {
    if (this.#random.below(3) === 0) this.#fs.sync();
    else {
      const node = this.#anyFile();
      if (node !== undefined) this.#fs.fsync(this.#inode(node));
    }
  }

  // --- comparing

  #compareTree(dir: DirNode, inode: Ext2Inode, path: string): void {
    const entries = [...this.#fs.readdir(inode)].map(({ name }) => name);
    const found = entries.filter((name) => name !== '.' && name !== '..').sort();
    const expected = [...dir.entries.keys()].sort();
    if (found.join('/') !== expected.join('/') || entries.length !== found.length + 2) {
      throw new Error(`${path}/ has ${found.join(' ')} instead of ${expected.join(' ')}`);
    }
    const subdirectories = [...dir.entries.values()].filter(({ kind }) => kind === 'dir').length;
    this.#compareCommon(dir, inode, `${path}/`, 2 + subdirectories);
    for (const [name, node] of dir.entries) {
      const child = this.#fs.lookup(inode, name);
      if (child === undefined) throw new Error(`${path}/${name} is not found`);
      if (node.kind === 'dir') this.#compareTree(node, child, `${path}/${name}`);
      else this.#compareOther(node, child, `${path}/${name}`);
    }
  }

  #compareOther(node: FileNode | OtherNode, inode: Ext2Inode, path: string): void {
    this.#compareCommon(node, inode, path, node.nlink);
    if (node.kind === 'symlink') {
      const target = Buffer.from(this.#fs.readlink(inode)).toString();
      if (target !== node.target) throw new Error(`${path} leads to ${target}`);
    } else if (node.kind === 'file') {
      this.#withFile(node, (file) => {
        const content = Buffer.alloc(node.content.length + 1);
        const read = file.readSync(content, 0);
        if (!content.subarray(0, read).equals(node.content)) throw new Error(`${path} has other bytes`);
      });
    }
  }

  #compareCommon(node: Node, inode: Ext2Inode, path: string, nlink: number): void {
    const stat = this.#fs.stat(inode);
    const mode = stat.mode % 0o10000;
    // Writing takes the set-id bits away.
    const isMode = mode === node.mode || (node.kind === 'file' && mode === node.mode % 0o2000);
    const isOwner = stat.uid === node.uid && stat.gid === node.gid;
    const isTime = node.mtimeMs === undefined || node.mtimeMs === stat.mtimeMs;
    if (!isMode || !isOwner || !isTime || stat.nlink !== nlink) {
      throw new Error(`${path} has ${JSON.stringify(stat)} instead of ${JSON.stringify({ ...node, entries: 0, parent: 0, content: 0, nlink })}`);
    }
    const names = this.#fs.listxattr(inode).sort();
    if (names.join() !== [...node.attributes.keys()].sort().join()) throw new Error(`${path} has attributes ${names.join()}`);
    for (const [name, value] of node.attributes) {
      if (!value.equals(this.#fs.getxattr(inode, name))) throw new Error(`${path} has another ${name}`);
    }
  }
}
