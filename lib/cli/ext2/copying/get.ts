// Owns the command `ext2 get`: it copies files out of an image, with their permissions, owners, times and holes.

import * as host from 'node:fs';
import type { Command } from 'commander';
import { DaxError } from 'node-dax';
import type { Ext2Inode, Ext2Stat, Ext2Times } from 'node-dax/ext2';
import { distinct, hasNoName, JUST_MADE, sourcesAndDestination } from '../image/destination.js';
import { each, goOnAfter, tell } from '../../trees/failures.js';
import { identityOf } from './host-tree.js';
import { imageCommand, readImage, type MountedImage, type Region } from '../image/image.js';
import { pathOf, walkImage } from '../image/image-tree.js';
import { permissionsOf, typeInWords } from '../../trees/mode.js';
import { baseName, endsWithSlash, joined, placeOf, shown, toPaths } from '../../trees/names.js';
import { dataOf } from './sparse.js';
import { transfer, type Transfer } from './transfer.js';

interface Options extends Region {
  recursive?: true;
}

interface Source {
  readonly path: Buffer;
  readonly inode: Ext2Inode;
}

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_TRUNC, O_WRONLY } = host.constants;

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

// A time as a string of seconds, which node:fs converts to a double. It would take a negative number as the present time, and a
// Date has no fractions of a millisecond.
function seconds(ns: bigint): string {
  const digits = String(ns < 0n ? -ns : ns).padStart(10, '0');
  return `${ns < 0n ? '-' : ''}${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

type TimedStat = Ext2Stat & Ext2Times;

// Only root may give files to other users: it keeps the owners of the image.
const keepsOwners = process.geteuid?.() === 0;

/**
 * One copy out of an image. Names in the image never lead out of the destination directory, because symbolic links in it are not
 * followed.
 */
class Getting {
  readonly #mounted: MountedImage;
  readonly #transfer: Transfer;
  // The path of the first copy of each file with several names, by inode.
  readonly #linked = new Map<number, Buffer>();
  readonly #image: string;
  // The files made so far. A filesystem that ignores case may take two names as one.
  readonly #made = new Set<string>();

  constructor(mounted: MountedImage, transfer: Transfer) {
    this.#mounted = mounted;
    this.#transfer = transfer;
    this.#image = identityOf(host.statSync(mounted.image, { bigint: true }));
  }

  /** Copies `source` and everything in it to `to`. */
  async get({ path, inode }: Source, to: Buffer): Promise<void> {
    const made: boolean[] = [];
    for (const { item, names, phase } of walkImage(this.#mounted, path, inode)) {
      const place = pathOf(to, names);
      const from = pathOf(path, names);
      if (item === undefined) continue;
      if (phase === 'again') this.#skip(from, 'the directory was copied under another name');
      else if (phase === 'after') {
        if (made.pop() === true || names.length > 0) this.#setAttributes(place, this.#mounted.fs.stat(item, { nanoseconds: true }));
      } else if (item.isDirectory) made.push(this.#makeDirectory(place, names.length === 0));
      else if (names.length === 0) await this.#getFile(item, from, place, true);
      else await this.#getFile(item, from, place, false).catch(goOnAfter);
    }
  }

  #skip(path: Uint8Array, why: string): void {
    tell(`${placeOf(this.#mounted.image, path)}: left out: ${why}`);
  }

  // Returns whether the directory is new.
  #makeDirectory(place: Buffer, isNamed: boolean): boolean {
    try {
      host.mkdirSync(place, 0o700);
      return true;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      if (!(isNamed ? host.statSync : host.lstatSync)(place).isDirectory()) this.#refuse('ENOTDIR', place, 'it is no directory: remove it first');
      return false;
    }
  }

  #refuse(errno: string, place: Buffer, hint: string): never {
    throw new DaxError({ errno, syscall: this.#mounted.command, path: shown(place), hint });
  }

  async #getFile(inode: Ext2Inode, from: Buffer, place: Buffer, isNamed: boolean): Promise<void> {
    const stat = this.#mounted.at(from, () => this.#mounted.fs.stat(inode, { nanoseconds: true }));
    const first = this.#linked.get(inode.ino);
    this.#transfer.begin(from);
    if (first !== undefined) this.#link(place, () => { host.linkSync(first, place); }, first);
    else if (inode.isSymlink) {
      const target = Buffer.from(this.#mounted.at(from, () => this.#mounted.fs.readlink(inode)));
      this.#link(place, () => { host.symlinkSync(target, place); });
      if (keepsOwners) host.lchownSync(place, stat.uid, stat.gid);
      host.lutimesSync(place, seconds(stat.atimeNs), seconds(stat.mtimeNs));
    } else if (inode.isRegular) {
      await this.#copy(inode, from, place, isNamed, stat);
    } else {
      this.#skip(from, `a ${typeInWords(stat.mode)} cannot be made from here`);
      return;
    }
    if (stat.nlink > 1) this.#linked.set(inode.ino, first ?? place);
  }

  // Makes a link. An existing name is replaced, unless it must not be lost, or already is another name of the file `first`.
  #link(place: Buffer, make: () => void, first?: Buffer): void {
    try {
      make();
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      const there = host.lstatSync(place, { bigint: true });
      if (first !== undefined && identityOf(there) === identityOf(host.lstatSync(first, { bigint: true }))) return;
      this.#checkReplaced(place, there);
      host.unlinkSync(place);
      make();
    }
    this.#made.add(identityOf(host.lstatSync(place, { bigint: true })));
  }

  #checkReplaced(place: Buffer, there: host.BigIntStats): void {
    if (there.isDirectory()) this.#refuse('EISDIR', place, 'a directory is there, which a file cannot replace');
    if (identityOf(there) === this.#image) this.#refuse('EINVAL', place, 'it is the image itself: choose another name');
    if (this.#made.has(identityOf(there))) this.#refuse('EEXIST', place, JUST_MADE);
  }

  async #copy(inode: Ext2Inode, from: Buffer, place: Buffer, isNamed: boolean, stat: TimedStat): Promise<void> {
    const mode = permissionsOf(stat.mode);
    const { target, isNew } = this.#openTarget(place, isNamed, mode);
    try {
      await this.#fill(target, inode, from);
      const there = host.fstatSync(target, { bigint: true });
      // Most files are new and have both already, and each call is one of a few for a file.
      const isOwned = !keepsOwners || (Number(there.uid) === stat.uid && Number(there.gid) === stat.gid);
      if (!isOwned) host.fchownSync(target, stat.uid, stat.gid);
      // A new owner clears the set-id bits.
      if (!isOwned || permissionsOf(Number(there.mode)) !== mode) host.fchmodSync(target, mode);
      host.futimesSync(target, seconds(stat.atimeNs), seconds(stat.mtimeNs));
      this.#made.add(identityOf(there));
    } catch (error) {
      if (isNew) host.unlinkSync(place);
      throw error;
    } finally {
      host.closeSync(target);
    }
  }

  // A new file has its permissions from the beginning, without set-id bits, which are for its owner alone.
  #openTarget(place: Buffer, isNamed: boolean, mode: number): { target: number; isNew: boolean } {
    try {
      return { target: host.openSync(place, O_WRONLY + O_CREAT + O_EXCL, mode % 0o1000), isNew: true };
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    const stats = (isNamed ? host.statSync : host.lstatSync)(place, { bigint: true });
    this.#checkReplaced(place, stats);
    if (!stats.isFile()) this.#refuse('EEXIST', place, 'it is no regular file: remove it first, or use `node-dax ext2 cat`');
    return { target: host.openSync(place, O_WRONLY + O_TRUNC + (isNamed ? 0 : O_NOFOLLOW)), isNew: false };
  }

  // Copies the data alone: the holes that it skips become holes of the copy.
  async #fill(target: number, inode: Ext2Inode, from: Buffer): Promise<void> {
    const { fs } = this.#mounted;
    const { buffer } = this.#transfer;
    const source = this.#mounted.at(from, () => fs.open(inode, { readOnly: true }));
    try {
      let told = 0;
      for (const { pos, length } of dataOf(fs, inode)) {
        for (let done = 0; done < length; ) {
          const part = buffer.subarray(0, Math.min(buffer.byteLength, length - done));
          const read = this.#mounted.at(from, () => source.readSync(part, pos + done));
          writeAll(target, part.subarray(0, read), pos + done);
          done += read;
          await this.#transfer.advance(pos + done - told);
          told = pos + done;
        }
      }
      if (told < inode.size) host.ftruncateSync(target, inode.size);
      await this.#transfer.advance(inode.size - told);
    } finally {
      source.closeSync();
    }
  }

  #setAttributes(place: Buffer, { mode, uid, gid, atimeNs, mtimeNs }: TimedStat): void {
    if (keepsOwners) host.chownSync(place, uid, gid);
    host.chmodSync(place, permissionsOf(mode));
    host.utimesSync(place, seconds(atimeNs), seconds(mtimeNs));
  }
}

function writeAll(target: number, bytes: Uint8Array, pos: number): void {
  for (let done = 0; done < bytes.byteLength; ) {
    done += host.writeSync(target, bytes, done, bytes.byteLength - done, pos + done);
  }
}

// Returns a function that gives the destination, outside the image, of each of the `count` sources that go to `to`.
function destinationAt({ command }: MountedImage, to: Buffer, count: number): (source: Source) => Buffer {
  const isInto = host.statSync(to, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const refuse = (hint: string): never => {
    throw new DaxError({ errno: 'ENOTDIR', syscall: command, path: shown(to), hint });
  };
  if (count > 1 && !isInto) refuse('several things go into a directory: make it first');
  return ({ path, inode }) => {
    if (isInto) return hasNoName(path) ? to : joined(to, baseName(path));
    return endsWithSlash(to) && !inode.isDirectory ? refuse('the directory is not there: make it first') : to;
  };
}

function bytesOf(mounted: MountedImage, sources: readonly Source[]): number {
  let bytes = 0;
  // Errors are ignored here, because the copy will report them.
  const unheard = (): void => undefined;
  for (const { path, inode } of sources) {
    for (const { item } of walkImage(mounted, path, inode, unheard)) if (item?.isRegular === true) bytes += item.size;
  }
  return bytes;
}

function sourceAt(mounted: MountedImage, path: Buffer, isRecursive: boolean): Source {
  const inode = mounted.resolve(path, !isRecursive);
  if (inode.isDirectory && !isRecursive) mounted.fail('EISDIR', path, 'it is a directory: -r copies it with all that is in it');
  return { path, inode };
}

async function act(image: string, paths: Buffer[], options: Options, command: Command): Promise<void> {
  const { recursive, ...region } = options;
  const { sources: names, to } = sourcesAndDestination(paths, command);
  await readImage(image, region, command, async (mounted) => {
    const found: Source[] = [];
    await each(names, (path) => { found.push(sourceAt(mounted, path, recursive === true)); });
    const sources = distinct(found, ({ inode }) => String(inode.ino));
    const destination = destinationAt(mounted, to, names.length);
    await transfer(() => bytesOf(mounted, sources), async (transfer) => {
      const getting = new Getting(mounted, transfer);
      await each(sources, (source) => getting.get(source, destination(source)));
    });
  });
}

export function getCommand(): Command {
  return imageCommand('get', 'Copy files out of an image, with permissions, times and holes; for root, with owners')
    .usage('[options] <image> <path...> <destination>')
    .argument('<paths...>', 'one or more files in the image, then the directory or name outside', toPaths)
    .option('-r, --recursive', 'copy directories with everything in them; symbolic links as links, files with several names once')
    .addHelpText('after', `
A file of the same name is overwritten. Devices, fifos and sockets are not copied, which makes the
exit status 1. If the path of a directory ends without a name (/, ., ..), its content is copied into
the destination.`)
    .action(act);
}
