// Owns a tree of files on which filesystems must agree. Calls of node:fs, on any of the filesystems, make, change and describe it.

import { createHash } from 'node:crypto';
import type { FsSync } from 'node-dax/fs';
import type { Random } from './random.js';

/** A filesystem, and the folder in it that is the top of the tree. */
export interface Side {
  readonly fs: FsSync;
  readonly root: string;
}

const KIB = 1024;
const GIB = 1024 ** 3;
const LARGE_FILE = 5 * GIB;
// A file is looked at in so many places if it is larger than this.
const MOST_WHOLE = 4 * KIB * KIB;
const PLACES = 16;
const PLACE = 16 * KIB;
const DIRECTORIES = 24;
const DEPTH = 40;
const POOL = 256 * KIB;

// Every name is a string of bytes (latin1); most are no UTF-8.
const pathOf = (side: Side, path: string) => Buffer.from(`${side.root}/${path}`, 'latin1');
const within = (dir: string, name: string) => (dir === '' ? name : `${dir}/${name}`);

const placesOf = (size: number) => Array.from({ length: PLACES }, (_, n) => Math.floor(((size - PLACE) * n) / (PLACES - 1)));

/** The same random tree on one or more sides. */
export class SharedTree {
  readonly #random: Random;
  readonly #pool: Uint8Array;
  #files: string[] = [];
  #dirs: string[] = [''];
  #names = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#pool = random.bytes(POOL);
  }

  /** Makes about `count` files, and everything that a tree can have. The sides must be empty. */
  make(sides: readonly Side[], count: number): void {
    for (let n = 0; n < Math.min(DIRECTORIES, count); n++) this.#mkdir(sides, this.#random.pick(this.#dirs.slice(-8)));
    for (let dir = '', depth = 0; depth < Math.min(DEPTH, count); depth++) dir = this.#mkdir(sides, dir);
    for (let n = 0; n < count; n++) {
      const kind = this.#random.below(40);
      if (kind === 0) this.#link(sides);
      else if (kind === 1) this.#symlink(sides);
      else this.#create(sides);
    }
    this.#makeSparse(sides);
  }

  /** Makes `count` changes. Every side must have the tree as it was after the last call. */
  change(sides: readonly Side[], count: number): void {
    for (let n = 0; n < count; n++) {
      const kind = this.#random.below(20);
      if (kind < 4) this.#create(sides);
      else if (kind < 8) this.#write(sides);
      else if (kind < 10) this.#truncate(sides);
      else if (kind < 14) this.#unlink(sides);
      else if (kind < 16) this.#rename(sides);
      else if (kind === 16) this.#renameDirectory(sides);
      else if (kind === 17) this.#link(sides);
      else if (kind === 18) this.#symlink(sides);
      else this.#mkdir(sides, this.#random.pick(this.#dirs));
    }
    this.#changeSparse(sides);
  }

  #name(): string {
    const length = this.#random.below(20) === 0 ? 200 + this.#random.below(50) : this.#random.below(24);
    const bytes = Buffer.from(this.#random.bytes(length)).map((byte) => (byte === 0 || byte === 0x2f ? 0xfc : byte));
    return `${this.#names++}${Buffer.from(bytes).toString('latin1')}`;
  }

  #content(): Uint8Array {
    const most = this.#random.below(50) === 0 ? POOL : this.#random.pick([0, 100, 5 * KIB, 12 * KIB]);
    const length = this.#random.below(most + 1);
    const at = this.#random.below(POOL - length + 1);
    return this.#pool.subarray(at, at + length);
  }

  #mkdir(sides: readonly Side[], parent: string): string {
    const dir = within(parent, this.#name());
    const mode = 0o700 + this.#random.below(0o100);
    for (const side of sides) {
      side.fs.mkdirSync(pathOf(side, dir));
      side.fs.chmodSync(pathOf(side, dir), mode);
    }
    this.#dirs.push(dir);
    return dir;
  }

  #create(sides: readonly Side[]): void {
    const path = within(this.#random.pick(this.#dirs), this.#name());
    const content = this.#content();
    for (const side of sides) side.fs.writeFileSync(pathOf(side, path), content);
    this.#files.push(path);
    this.#mark(sides, path);
  }

  // Owner, permissions and time: what was changed has others.
  #mark(sides: readonly Side[], path: string): void {
    const [uid, gid, mode] = [this.#random.below(200_000), this.#random.below(200_000), this.#random.below(0o7777)];
    const seconds = this.#random.below(2 ** 31);
    for (const side of sides) {
      const at = pathOf(side, path);
      side.fs.lchownSync(at, uid, gid);
      if (!side.fs.lstatSync(at).isSymbolicLink()) side.fs.chmodSync(at, mode);
      side.fs.lutimesSync(at, 1, seconds);
    }
  }

  #link(sides: readonly Side[]): void {
    const from = this.#regular(sides);
    const to = within(this.#random.pick(this.#dirs), this.#name());
    if (from === undefined) return;
    for (const side of sides) side.fs.linkSync(pathOf(side, from), pathOf(side, to));
    this.#files.push(to);
  }

  #symlink(sides: readonly Side[]): void {
    const path = within(this.#random.pick(this.#dirs), this.#name());
    const target = Buffer.alloc(1 + this.#random.below(this.#random.pick([59, 61, 900])), 'a/');
    for (const side of sides) side.fs.symlinkSync(target, pathOf(side, path));
    this.#files.push(path);
    this.#mark(sides, path);
  }

  #regular(sides: readonly Side[]): string | undefined {
    if (this.#files.length === 0) return undefined;
    const path = this.#random.pick(this.#files);
    const [first] = sides as [Side];
    return first.fs.lstatSync(pathOf(first, path)).isFile() ? path : undefined;
  }

  #write(sides: readonly Side[]): void {
    const path = this.#regular(sides);
    if (path === undefined) return;
    this.#writeAt(sides, path, this.#random.below(this.#random.pick([10, 20 * KIB, 2 * KIB * KIB])), this.#content());
    this.#mark(sides, path);
  }

  #writeAt(sides: readonly Side[], path: string, pos: number, bytes: Uint8Array): void {
    for (const { fs, root } of sides) {
      const fd = fs.openSync(pathOf({ fs, root }, path), 'r+');
      try {
        for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done, bytes.length - done, pos + done);
      } finally {
        fs.closeSync(fd);
      }
    }
  }

  #truncate(sides: readonly Side[]): void {
    const path = this.#regular(sides);
    if (path === undefined) return;
    const size = this.#random.below(this.#random.pick([10, 8 * KIB, KIB * KIB]));
    for (const side of sides) side.fs.truncateSync(pathOf(side, path), size);
    this.#mark(sides, path);
  }

  #unlink(sides: readonly Side[]): void {
    if (this.#files.length === 0) return;
    const [path] = this.#files.splice(this.#random.below(this.#files.length), 1) as [string];
    for (const side of sides) side.fs.unlinkSync(pathOf(side, path));
  }

  // To a new name, or over a file.
  #rename(sides: readonly Side[]): void {
    if (this.#files.length < 2) return;
    const [from] = this.#files.splice(this.#random.below(this.#files.length), 1) as [string];
    const isOver = this.#random.below(2) === 0;
    const to = isOver ? this.#random.pick(this.#files) : within(this.#random.pick(this.#dirs), this.#name());
    const [first] = sides as [Side];
    // Two names of one file: nothing is renamed.
    const isSame = isOver && first.fs.lstatSync(pathOf(first, from)).ino === first.fs.lstatSync(pathOf(first, to)).ino;
    for (const side of sides) side.fs.renameSync(pathOf(side, from), pathOf(side, to));
    if (isSame) this.#files.push(from);
    if (!isOver) this.#files.push(to);
  }

  #renameDirectory(sides: readonly Side[]): void {
    const from = this.#random.pick(this.#dirs);
    const parent = this.#random.pick(this.#dirs);
    const to = within(parent, this.#name());
    // Paths have an end.
    if (from === '' || `${parent}/`.startsWith(`${from}/`) || to.length + this.#longest(from) > 3500) return;
    for (const side of sides) side.fs.renameSync(pathOf(side, from), pathOf(side, to));
    const moved = (path: string) => (`${path}/`.startsWith(`${from}/`) ? to + path.slice(from.length) : path);
    this.#files = this.#files.map(moved);
    this.#dirs = this.#dirs.map(moved);
  }

  #longest(dir: string): number {
    const paths = [...this.#files, ...this.#dirs].filter((path) => path.startsWith(`${dir}/`));
    return Math.max(0, ...paths.map((path) => path.length - dir.length));
  }

  // It has blocks of pointers of every level, and is nearly all hole.
  #makeSparse(sides: readonly Side[]): void {
    for (const side of sides) side.fs.writeFileSync(pathOf(side, 'sparse'), '');
    for (const side of sides) side.fs.truncateSync(pathOf(side, 'sparse'), LARGE_FILE);
    this.#changeSparse(sides);
  }

  #changeSparse(sides: readonly Side[]): void {
    const places = placesOf(LARGE_FILE);
    const shorter = (places[this.#random.below(PLACES - 2) + 2] as number) + this.#random.below(PLACE);
    for (const size of [shorter, LARGE_FILE]) {
      for (const side of sides) side.fs.truncateSync(pathOf(side, 'sparse'), size);
    }
    for (let n = 0; n < 4; n++) {
      const bytes = this.#pool.subarray(0, 1 + this.#random.below(9 * KIB));
      this.#writeAt(sides, 'sparse', this.#random.pick(places) + this.#random.below(PLACE - bytes.length), bytes);
    }
    this.#mark(sides, 'sparse');
  }
}

// What is read of one file at a time.
const scratch = Buffer.alloc(MOST_WHOLE);

function digest({ fs }: Side, path: Buffer, size: number): string {
  const hash = createHash('sha1');
  const fd = fs.openSync(path, 'r');
  try {
    const isWhole = size <= MOST_WHOLE;
    const buffer = scratch.subarray(0, isWhole ? size : PLACE);
    for (const pos of isWhole ? [0] : placesOf(size)) {
      let filled = 0;
      while (filled < buffer.length) {
        const read = fs.readSync(fd, buffer, filled, buffer.length - filled, pos + filled);
        if (read === 0) throw new Error(`${path.toString('latin1')} ends at ${pos + filled}, not at ${size}`);
        filled += read;
      }
      hash.update(buffer);
    }
    return hash.digest('hex');
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * One line for every name below the top, in their order, with everything on which filesystems must agree. The size and the times of
 * a directory are not included. `lost+found` is left out.
 */
export function describeTree(side: Side): string[] {
  const { fs } = side;
  const lines: string[] = [];
  const firstNames = new Map<number, string>();
  const visit = (dir: string) => {
    const names = fs.readdirSync(pathOf(side, dir), { encoding: 'latin1' }).sort();
    for (const name of names) {
      const path = within(dir, name);
      if (path === 'lost+found') continue;
      const at = pathOf(side, path);
      const stat = fs.lstatSync(at);
      const common = `${JSON.stringify(path)} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} links ${stat.nlink}`;
      if (stat.isDirectory()) {
        lines.push(common);
        visit(path);
        continue;
      }
      // Which names are of one file.
      if (!firstNames.has(stat.ino)) firstNames.set(stat.ino, path);
      const first = JSON.stringify(firstNames.get(stat.ino));
      const what = stat.isSymbolicLink() ? fs.readlinkSync(at, 'latin1') : digest(side, at, stat.size);
      lines.push(`${common} ${stat.size} bytes, ${stat.mtimeMs} ms, file ${first}: ${what}`);
    }
  };
  visit('');
  return lines;
}
