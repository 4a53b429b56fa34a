// Owns the command `ext2 put`: it copies files into an image, with their permissions, owners, times and holes.

import { randomBytes } from 'node:crypto';
import { closeSync, open, openSync, read, readlinkSync, readSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { DaxError, type FileStats } from 'node-dax';
import type { Ext2File, Ext2Inode } from 'node-dax/ext2';
import { destinationAt, distinct, GivenNames, hasNoName, sourcesAndDestination, type Destination } from '../image/destination.js';
import { each, goOnAfter } from '../../trees/failures.js';
import { identityOf, lookAt, walkHost, type HostFile } from './host-tree.js';
import { changeImage, imageCommand, syscallOf, type MountedImage, type Region } from '../image/image.js';
import { pathOf } from '../image/image-tree.js';
import { permissionsOf } from '../../trees/mode.js';
import { shown, toPaths } from '../../trees/names.js';
import { nonZeroOf } from './sparse.js';
import { transfer, type Transfer } from './transfer.js';

interface Options extends Region {
  recursive?: true;
}

function refuse(command: string, errno: string, path: Uint8Array, hint: string): never {
  throw new DaxError({ errno, syscall: command, path: shown(path), hint });
}

function attributesOf({ mode, uid, gid, atimeNs, mtimeNs }: FileStats) {
  return { mode: permissionsOf(Number(mode)), uid: Number(uid), gid: Number(gid), atimeNs, mtimeNs };
}

// The numbers of a device, which makedev(3) combines in this way.
function deviceOf({ rdev }: FileStats): { major: number; minor: number } {
  const number = Number(rdev);
  return { major: Math.floor(number / 256) % 4096, minor: (number % 256) + Math.floor(number / 2 ** 20) * 256 };
}

/** Gives the next bytes, valid until the next call: none at the end. */
type Source = () => Uint8Array | Promise<Uint8Array>;

function readNow(fd: number, buffer: Buffer): Source {
  return () => buffer.subarray(0, readSync(fd, buffer, 0, buffer.byteLength, null));
}

// Pipes and terminals are read asynchronously, so signals can arrive during a long wait.
const openLater = promisify(open);
const readBytes = promisify(read);

function readLater(fd: number, buffer: Buffer): Source {
  return async () => buffer.subarray(0, (await readBytes(fd, buffer, 0, buffer.byteLength, null)).bytesRead);
}

/** One copy into an image. */
class Putting {
  readonly #mounted: MountedImage;
  readonly #transfer: Transfer;
  readonly #image: string;
  readonly #isRecursive: boolean;
  readonly #given: GivenNames;
  // Copied files with several names, by `identityOf` the file outside.
  readonly #linked = new Map<string, Ext2Inode>();

  /** If `isRecursive`, a device or pipe is copied as one; otherwise its content is copied. */
  constructor(mounted: MountedImage, transfer: Transfer, isRecursive: boolean) {
    this.#mounted = mounted;
    this.#transfer = transfer;
    this.#isRecursive = isRecursive;
    this.#given = new GivenNames(mounted);
    this.#image = identityOf(statSync(mounted.image, { bigint: true }));
  }

  /** Copies `source` and everything in it to `to`. */
  async put(source: HostFile, to: Destination): Promise<void> {
    const { fs } = this.#mounted;
    const open: { dir: Ext2Inode; isNew: boolean }[] = [];
    for (const { item, names, phase } of walkHost(source)) {
      if (item === undefined) continue;
      const dir = open.at(-1)?.dir ?? to.dir;
      const name = names.at(-1) ?? to.name;
      const place: Destination = { dir, name, path: pathOf(to.path, names) };
      if (phase === 'again') refuse(this.#mounted.command, 'ELOOP', item.path, 'it was met before: something is mounted there again');
      if (phase === 'after') {
        const { dir: made, isNew } = open.pop() as { dir: Ext2Inode; isNew: boolean };
        if (isNew || names.length > 0) this.#mounted.at(place.path, () => { fs.setattr(made, attributesOf(item.stats)); });
      } else if (item.stats.isDirectory()) {
        open.push(this.#directory(place));
      } else if (names.length === 0) {
        await this.#putFile(item, place);
      } else {
        await this.#putFile(item, place).catch(goOnAfter);
      }
    }
  }

  #directory(place: Destination): { dir: Ext2Inode; isNew: boolean } {
    const { fs } = this.#mounted;
    const there = hasNoName(place.name) ? place.dir : this.#mounted.at(place.path, () => fs.lookup(place.dir, place.name));
    if (there?.isDirectory === true) return { dir: there, isNew: false };
    if (there !== undefined) this.#mounted.fail('ENOTDIR', place.path, 'it is no directory: remove it first');
    return { dir: this.#mounted.at(place.path, () => fs.mkdir(place.dir, place.name)), isNew: true };
  }

  async #putFile(file: HostFile, place: Destination): Promise<void> {
    const { path, stats } = file;
    const { fs, command } = this.#mounted;
    if (identityOf(stats) === this.#image) refuse(command, 'EINVAL', path, 'it is the image itself: leave it out');
    this.#transfer.begin(path);
    const hasNames = stats.nlink > 1n;
    const known = hasNames ? this.#linked.get(identityOf(stats)) : undefined;
    const placed = await this.#place(place, known, (name) => {
      if (known === undefined) return this.#make(file, place.dir, name);
      fs.link(known, place.dir, name);
      return known;
    });
    if (hasNames) this.#linked.set(identityOf(stats), placed);
  }

  // Puts an inode at `place`. An old file there stays until the new one is whole. `known` is the inode of the copied file if the
  // file was already copied under another name.
  async #place(place: Destination, known: Ext2Inode | undefined, make: (name: Uint8Array) => Ext2Inode | Promise<Ext2Inode>): Promise<Ext2Inode> {
    const { fs } = this.#mounted;
    const { dir, name, path } = place;
    return this.#mounted.at(path, async () => {
      const there = fs.lookup(dir, name);
      if (there?.isDirectory === true) this.#mounted.fail('EISDIR', path, 'a directory is there, which a file cannot replace');
      if (there !== undefined && there.ino === known?.ino) return there;
      if (there !== undefined) this.#given.check(place);
      const made = there === undefined ? name : Buffer.from(`.node-dax-${randomBytes(8).toString('hex')}`);
      try {
        const inode = await make(made);
        if (there !== undefined) fs.rename(dir, made, dir, name);
        this.#given.add(place);
        return inode;
      } catch (error) {
        if (fs.lookup(dir, made) !== undefined && !fs.readOnly) fs.unlink(dir, made);
        throw error;
      }
    });
  }

  async #make(file: HostFile, dir: Ext2Inode, name: Uint8Array): Promise<Ext2Inode> {
    const { path, stats, content } = file;
    const { fs } = this.#mounted;
    if (content !== undefined) return this.#copy(() => content, stats, dir, name);
    if (stats.isFile() || (!this.#isRecursive && !stats.isSymbolicLink())) return this.#copyFrom(file, dir, name);
    const inode = stats.isSymbolicLink()
      ? fs.symlink(dir, name, readlinkSync(path, { encoding: 'buffer' }))
      : fs.mknod(dir, name, Number(stats.mode), deviceOf(stats));
    fs.setattr(inode, attributesOf(stats));
    return inode;
  }

  async #copyFrom({ path, stats }: HostFile, dir: Ext2Inode, name: Uint8Array): Promise<Ext2Inode> {
    const { buffer } = this.#transfer;
    const isFile = stats.isFile();
    const fd = isFile ? openSync(path, 'r') : await openLater(path, 'r');
    try {
      return await this.#copy(isFile ? readNow(fd, buffer) : readLater(fd, buffer), stats, dir, name);
    } finally {
      closeSync(fd);
    }
  }

  async #copy(source: Source, stats: FileStats, dir: Ext2Inode, name: Uint8Array): Promise<Ext2Inode> {
    const { fs } = this.#mounted;
    const inode = fs.create(dir, name, 0o600);
    const target = fs.open(inode);
    try {
      await this.#fill(target, source, Number(stats.size));
    } finally {
      target.closeSync();
    }
    fs.setattr(inode, attributesOf(stats));
    return inode;
  }

  // Copies the content. Blocks of zeros become holes.
  async #fill(target: Ext2File, source: Source, size: number): Promise<void> {
    const { buffer } = this.#transfer;
    const { blockSize } = this.#mounted.fs;
    for (let pos = 0; ; ) {
      const bytes = await source();
      const bytesRead = bytes.byteLength;
      for (const run of nonZeroOf(bytes, blockSize)) {
        for (let done = 0; done < run.length; ) {
          done += target.writeSync(bytes.subarray(run.pos + done, run.pos + run.length), pos + run.pos + done);
        }
      }
      pos += bytesRead;
      await this.#transfer.advance(bytesRead);
      // A file of /proc has size 0, and a short read is not its end.
      const isEnd = bytesRead === 0 || (size > 0 && pos >= size && bytesRead < buffer.byteLength);
      if (!isEnd) continue;
      if (pos > target.size) target.truncateSync(pos);
      return;
    }
  }
}

function bytesOf(sources: readonly HostFile[]): number {
  let bytes = 0;
  // Errors are ignored here, because the copy will report them.
  const unheard = (): void => undefined;
  for (const source of sources) for (const { item } of walkHost(source, unheard, 0)) if (item?.stats.isFile() === true) bytes += Number(item.stats.size);
  return bytes;
}

function sourceAt(path: Buffer, isRecursive: boolean, command: string): HostFile {
  const source = isRecursive ? lookAt(path) : { path, stats: statSync(path, { bigint: true }) };
  if (source.stats.isDirectory() && !isRecursive) refuse(command, 'EISDIR', path, 'it is a directory: -r copies it with all that is in it');
  return source;
}

async function act(image: string, paths: Buffer[], options: Options, command: Command): Promise<void> {
  const { recursive, ...region } = options;
  const isRecursive = recursive === true;
  const { sources: names, to } = sourcesAndDestination(paths, command);
  const found: HostFile[] = [];
  await each(names, (path) => { found.push(sourceAt(path, isRecursive, syscallOf(command))); });
  const sources = distinct(found, ({ stats }) => identityOf(stats));
  await changeImage(image, region, command, (mounted) => {
    const destination = destinationAt(mounted, to, names.length);
    return transfer(() => bytesOf(sources), async (transfer) => {
      const putting = new Putting(mounted, transfer, isRecursive);
      await each(sources, (source) => putting.put(source, destination(source.path, source.stats.isDirectory())));
    });
  });
}

export function putCommand(): Command {
  return imageCommand('put', 'Copy files into an image, with permissions, owners, times and holes')
    .usage('[options] <image> <source...> <destination>')
    .argument('<paths...>', 'one or more files, then the directory or name in the image', toPaths)
    .option('-r, --recursive', 'copy directories with everything in them; symbolic links as links, files with several names once')
    .addHelpText('after', `
A file of the same name is replaced once the new one is complete. Blocks of zeros become holes.
Extended attributes are not copied. With -r, a device, fifo or socket is copied as such; without -r,
its content is read: COMMAND | node-dax ext2 put IMAGE /dev/stdin NAME.
If the path of a directory ends without a name (., .., /), its content is copied into the destination.`)
    .action(act);
}
