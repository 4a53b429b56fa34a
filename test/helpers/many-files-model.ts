// Owns a model of many files in many directories, with handles, identities and holds of any lifetime, and random operations in
// which ext2 must give the same results as the model.

import type { DaxError } from 'node-dax';
import type { Ext2, Ext2File, Ext2Inode } from 'node-dax/ext2';
import type { Random } from './random.js';

interface FileModel {
  inode: Ext2Inode;
  size: number;
  nlink: number;
  handles: number;
  holds: number;
}

/** A file is there as long as anything leads to it. */
function isThere({ nlink, handles, holds }: FileModel): boolean {
  return nlink > 0 || handles > 0 || holds > 0;
}

interface Handle {
  readonly file: FileModel;
  readonly handle: Ext2File;
}

/** The names in a directory, of which any is found at once. */
class Names {
  readonly files = new Map<string, FileModel>();
  // Those that are gone leave it when they are next met.
  readonly #all: string[] = [];

  set(name: string, file: FileModel): void {
    if (!this.files.has(name)) this.#all.push(name);
    this.files.set(name, file);
  }

  /** A name, each as probable as another. */
  any(random: Random): string | undefined {
    while (this.#all.length > 0) {
      const at = random.below(this.#all.length);
      const name = this.#all[at] as string;
      if (this.files.has(name)) return name;
      this.#all[at] = this.#all.at(-1) as string;
      this.#all.pop();
    }
    return undefined;
  }
}

interface Place {
  readonly inode: Ext2Inode;
  readonly names: Names;
}

const MOST_HANDLES = 2000;
const MOST_REMEMBERED = 5000;
const MOST_SIZE = 9000;
const CONTENT = Buffer.alloc(MOST_SIZE, 'content');

export class ManyFilesModel {
  readonly #random: Random;
  #fs: Ext2;
  readonly #directories: Names[];
  readonly #inodes: Ext2Inode[];
  readonly #handles: Handle[] = [];
  // What somebody remembers: of files that are there, and of some that are gone.
  readonly #remembered: FileModel[] = [];
  #made = 0;

  constructor(fs: Ext2, random: Random, directories: number) {
    this.#fs = fs;
    this.#random = random;
    this.#directories = Array.from({ length: directories }, () => new Names());
    this.#inodes = this.#directories.map((_, n) => fs.mkdir(fs.root, `directory-${n}`));
  }

  /** One random operation. Throws an `Error` that tells the difference as soon as there is one. */
  step(): void {
    const random = this.#random.below(100);
    if (random < 35) this.#create();
    else if (random < 45) this.#unlink();
    else if (random < 53) this.#rename();
    else if (random < 57) this.#link();
    else if (random < 68) this.#open();
    else if (random < 76) this.#write();
    else if (random < 83) this.#close();
    else if (random < 88) this.#hold();
    else if (random < 92) this.#release();
    else if (random < 99) this.#lookAtRemembered();
    else this.#list(this.#random.below(this.#directories.length));
  }

  /** Closes and releases everything. */
  settle(): void {
    while (this.#handles.length > 0) this.#close();
    for (const file of this.#remembered) {
      if (file.holds > 0) this.#fs.release(file.inode, file.holds);
      file.holds = 0;
    }
  }

  /** Compares every name, and what it leads to. */
  compare(fs: Ext2): void {
    this.#fs = fs;
    for (const n of this.#directories.keys()) {
      this.#inodes[n] = fs.resolve(`/directory-${n}`);
      this.#list(n);
      for (const [name, file] of (this.#directories[n] as Names).files) {
        const found = fs.lookup(this.#inodes[n], name);
        this.#same(`/directory-${n}/${name}`, found?.ino, file.inode.ino);
        this.#same(`size of /directory-${n}/${name}`, found?.size, file.size);
        this.#same(`links of /directory-${n}/${name}`, found?.nlink, file.nlink);
      }
    }
  }

  #same(what: string, found: unknown, wanted: unknown): void {
    if (found !== wanted) throw new Error(`${what}: ${String(found)}, not ${String(wanted)}`);
  }

  #below<T>(list: readonly T[]): T | undefined {
    return list[this.#random.below(Math.max(1, list.length))];
  }

  #directory(): Place {
    const n = this.#random.below(this.#directories.length);
    return { inode: this.#inodes[n] as Ext2Inode, names: this.#directories[n] as Names };
  }

  // A file by a random name of a random directory.
  #named(): (Place & { name: string; file: FileModel }) | undefined {
    const { inode, names } = this.#directory();
    const name = names.any(this.#random);
    return name === undefined ? undefined : { inode, names, name, file: names.files.get(name) as FileModel };
  }

  #create(): void {
    const { inode, names } = this.#directory();
    const name = `file-${this.#made++}`;
    const file = { inode: this.#fs.create(inode, name), size: 0, nlink: 1, handles: 0, holds: 0 };
    names.set(name, file);
    if (this.#random.below(4) === 0) this.#remember(file);
  }

  #remember(file: FileModel): void {
    const at = this.#random.below(MOST_REMEMBERED);
    const former = this.#remembered[at];
    if (former === undefined) this.#remembered.push(file);
    else if (former.holds === 0) this.#remembered[at] = file;
  }

  #unlink(): void {
    const found = this.#named();
    if (found === undefined) return;
    this.#fs.unlink(found.inode, found.name);
    found.names.files.delete(found.name);
    found.file.nlink--;
  }

  #rename(): void {
    const from = this.#named();
    const to = this.#random.below(3) === 0 ? this.#named() : undefined;
    if (from === undefined) return;
    const { inode, names } = to ?? this.#directory();
    const name = to?.name ?? `moved-${this.#made++}`;
    this.#fs.rename(from.inode, from.name, inode, name);
    const replaced = names.files.get(name);
    if (replaced === from.file) return;
    if (replaced !== undefined) replaced.nlink--;
    from.names.files.delete(from.name);
    names.set(name, from.file);
  }

  #link(): void {
    const found = this.#named();
    if (found === undefined) return;
    const { inode, names } = this.#directory();
    const name = `link-${this.#made++}`;
    this.#fs.link(found.file.inode, inode, name);
    names.set(name, found.file);
    found.file.nlink++;
  }

  #open(): void {
    const file = this.#random.below(2) === 0 ? this.#named()?.file : this.#below(this.#remembered);
    if (file === undefined || this.#handles.length >= MOST_HANDLES || !isThere(file)) return;
    this.#handles.push({ file, handle: this.#fs.open(file.inode) });
    file.handles++;
  }

  #write(): void {
    const opened = this.#below(this.#handles);
    if (opened === undefined) return;
    const { file, handle } = opened;
    const length = this.#random.below(MOST_SIZE);
    if (this.#random.below(5) === 0) {
      handle.truncateSync(length);
      file.size = length;
    } else {
      this.#same('bytes written', handle.writeSync(CONTENT.subarray(0, length), 0), length);
      file.size = Math.max(file.size, length);
    }
    this.#same(`size of inode ${file.inode.ino}`, handle.size, file.size);
  }

  #close(): void {
    const n = this.#random.below(Math.max(1, this.#handles.length));
    const opened = this.#handles[n];
    if (opened === undefined) return;
    this.#handles[n] = this.#handles.at(-1) as Handle;
    this.#handles.pop();
    opened.handle.closeSync();
    opened.file.handles--;
  }

  #hold(): void {
    const file = this.#below(this.#remembered);
    if (file === undefined || !isThere(file)) return;
    this.#fs.hold(file.inode);
    file.holds++;
  }

  #release(): void {
    const file = this.#below(this.#remembered);
    if (file === undefined || file.holds === 0) return;
    this.#fs.release(file.inode);
    file.holds--;
  }

  #lookAtRemembered(): void {
    const file = this.#below(this.#remembered);
    if (file === undefined) return;
    const { inode } = file;
    if (isThere(file)) {
      this.#same(`size of inode ${inode.ino}, which is remembered`, inode.size, file.size);
      this.#same(`links of inode ${inode.ino}, which is remembered`, this.#fs.stat(inode).nlink, file.nlink);
      this.#same(`inode ${inode.ino} by its number`, this.#fs.inode(inode.ino, inode.generation).size, file.size);
    } else {
      this.#same(`inode ${inode.ino}, which is gone`, this.#codeOf(() => this.#fs.stat(inode)), 'ESTALE');
      this.#same(`inode ${inode.ino}, which is gone, by its number`, this.#codeOf(() => this.#fs.inode(inode.ino, inode.generation)), 'ESTALE');
    }
  }

  #codeOf(work: () => unknown): string {
    try {
      work();
      return 'done';
    } catch (error) {
      return (error as DaxError).code;
    }
  }

  #list(n: number): void {
    const found = new Set<string>();
    for (const { name } of this.#fs.readdir(this.#inodes[n] as Ext2Inode)) found.add(name);
    found.delete('.');
    found.delete('..');
    const wanted = (this.#directories[n] as Names).files;
    this.#same(`names in /directory-${n}`, found.size, wanted.size);
    for (const name of wanted.keys()) if (!found.has(name)) throw new Error(`/directory-${n} has no ${name}`);
  }
}
