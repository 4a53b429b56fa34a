// Owns the command `ext2 put`: files from outside into an image, with their permissions, owners, times and holes.

import { randomBytes } from 'node:crypto';
import { lstatSync, readlinkSync, statSync, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { Command } from 'commander';
import { DaxError } from 'node-dax';
import type { Ext2File, Ext2Inode } from 'node-dax/ext2';
import { destinationOf, hasNoName, sourcesAndDestination, type Destination } from './destination.js';
import { identityOf, walkHost, type HostFile } from './host-tree.js';
import { changeImage, imageCommand, syscallOf, type MountedImage, type Region } from './image.js';
import { pathOf } from './image-tree.js';
import { permissionsOf } from './mode.js';
import { shown, toPaths } from './names.js';
import { nonZeroOf } from './sparse.js';
import { transfer, type Transfer } from './transfer.js';

interface Options extends Region {
  recursive?: true;
}

function refuse(command: string, errno: string, path: Uint8Array, hint: string): never {
  throw new DaxError({ errno, syscall: command, path: shown(path), hint });
}

function attributesOf({ mode, uid, gid, atimeMs, mtimeMs }: Stats) {
  return { mode: permissionsOf(mode), uid, gid, atimeMs, mtimeMs };
}

// As makedev(3) puts them together.
function deviceOf({ rdev }: Stats): { major: number; minor: number } {
  return { major: Math.floor(rdev / 256) % 4096, minor: (rdev % 256) + Math.floor(rdev / 2 ** 20) * 256 };
}

/** One copy into an image. */
class Putting {
  readonly #mounted: MountedImage;
  readonly #transfer: Transfer;
  readonly #image: string;
  readonly #isRecursive: boolean;
  // Files with several names, by what they are outside.
  readonly #linked = new Map<string, Ext2Inode>();

  /** `isRecursive`: a device or pipe is copied as such, and not what can be read from it. */
  constructor(mounted: MountedImage, transfer: Transfer, isRecursive: boolean) {
    this.#mounted = mounted;
    this.#transfer = transfer;
    this.#isRecursive = isRecursive;
    this.#image = identityOf(statSync(mounted.image));
  }

  /** What is at `source`, and all that is in it. */
  async put(source: HostFile, to: Destination): Promise<void> {
    const { fs } = this.#mounted;
    const open: { dir: Ext2Inode; isNew: boolean }[] = [];
    for (const { item, names, phase } of walkHost(source)) {
      const dir = open.at(-1)?.dir ?? to.dir;
      const name = names.at(-1) ?? to.name;
      const place: Destination = { dir, name, path: pathOf(to.path, names) };
      if (phase === 'again') refuse(this.#mounted.command, 'ELOOP', item.path, 'it was met before: something is mounted there again');
      if (phase === 'after') {
        const { dir: made, isNew } = open.pop() as { dir: Ext2Inode; isNew: boolean };
        if (isNew || names.length > 0) this.#mounted.at(place.path, () => { fs.setattr(made, attributesOf(item.stats)); });
      } else if (item.stats.isDirectory()) {
        open.push(this.#directory(place));
      } else {
        await this.#putFile(item, place);
      }
    }
  }

  #directory(place: Destination): { dir: Ext2Inode; isNew: boolean } {
    const { fs } = this.#mounted;
    const there = hasNoName(place.name) ? place.dir : this.#mounted.at(place.path, () => fs.lookup(place.dir, place.name));
    if (there?.isDirectory === true) return { dir: there, isNew: false };
    return { dir: this.#mounted.at(place.path, () => fs.mkdir(place.dir, place.name)), isNew: true };
  }

  async #putFile({ path, stats }: HostFile, place: Destination): Promise<void> {
    const { fs, command } = this.#mounted;
    if (identityOf(stats) === this.#image) refuse(command, 'EINVAL', path, 'it is the image itself: leave it out');
    this.#transfer.begin(path);
    const known = stats.nlink > 1 ? this.#linked.get(identityOf(stats)) : undefined;
    if (known !== undefined) await this.#place(place, known, (name) => { fs.link(known, place.dir, name); });
    else if (stats.isSymbolicLink()) {
      await this.#place(place, undefined, (name) => {
        const link = fs.symlink(place.dir, name, readlinkSync(path, { encoding: 'buffer' }));
        fs.setattr(link, attributesOf(stats));
      });
    } else if (stats.isFile() || !this.#isRecursive) await this.#place(place, undefined, (name) => this.#copy(path, stats, place, name));
    else {
      await this.#place(place, undefined, (name) => {
        fs.setattr(fs.mknod(place.dir, name, stats.mode, deviceOf(stats)), attributesOf(stats));
      });
    }
  }

  // What was there stays until the new is whole. `known`: what the new name leads to, if it has one already.
  async #place(place: Destination, known: Ext2Inode | undefined, make: (name: Uint8Array) => void | Promise<void>): Promise<void> {
    const { fs } = this.#mounted;
    const { dir, name, path } = place;
    await this.#mounted.at(path, async () => {
      const there = fs.lookup(dir, name);
      if (there?.isDirectory === true) this.#mounted.fail('EISDIR', path, 'a directory is there, which a file cannot replace');
      if (there !== undefined && there === known) return;
      const made = there === undefined ? name : Buffer.from(`.node-dax-${randomBytes(8).toString('hex')}`);
      try {
        await make(made);
        if (there !== undefined) fs.rename(dir, made, dir, name);
      } catch (error) {
        if (fs.lookup(dir, made) !== undefined && !fs.readOnly) fs.unlink(dir, made);
        throw error;
      }
    });
  }

  async #copy(path: Uint8Array, stats: Stats, { dir }: Destination, name: Uint8Array): Promise<void> {
    const { fs } = this.#mounted;
    const source = await open(Buffer.from(path), 'r');
    try {
      const inode = fs.create(dir, name, 0o600);
      const target = fs.open(inode);
      try {
        await this.#fill(target, source);
      } finally {
        target.closeSync();
      }
      fs.setattr(inode, attributesOf(stats));
      if (stats.nlink > 1) this.#linked.set(identityOf(stats), inode);
    } finally {
      await source.close();
    }
  }

  // Blocks of zeros are left out: they read as zeros all the same.
  async #fill(target: Ext2File, source: FileHandle): Promise<void> {
    const { buffer } = this.#transfer;
    const { blockSize } = this.#mounted.fs;
    for (let pos = 0; ; ) {
      const { bytesRead } = await source.read(buffer, 0, buffer.byteLength, null);
      for (const run of nonZeroOf(buffer.subarray(0, bytesRead), blockSize)) {
        for (let done = 0; done < run.length; ) {
          done += target.writeSync(buffer.subarray(run.pos + done, run.pos + run.length), pos + run.pos + done);
        }
      }
      pos += bytesRead;
      await this.#transfer.advance(bytesRead);
      if (bytesRead > 0) continue;
      if (pos > target.size) target.truncateSync(pos);
      return;
    }
  }
}

function bytesOf(sources: readonly HostFile[]): number {
  let bytes = 0;
  for (const source of sources) for (const { item } of walkHost(source)) if (item.stats.isFile()) bytes += item.stats.size;
  return bytes;
}

async function act(image: string, paths: Buffer[], options: Options, command: Command): Promise<void> {
  const { recursive, ...region } = options;
  const { sources: names, to } = sourcesAndDestination(paths, command);
  const sources = names.map((path): HostFile => ({ path, stats: (recursive === true ? lstatSync : statSync)(path) }));
  for (const { path, stats } of sources) {
    if (stats.isDirectory() && recursive !== true) {
      refuse(syscallOf(command), 'EISDIR', path, 'it is a directory: -r copies it with all that is in it');
    }
  }
  await changeImage(image, region, command, (mounted) =>
    transfer(() => bytesOf(sources), async (transfer) => {
      const putting = new Putting(mounted, transfer, recursive === true);
      for (const source of sources) {
        const isDirectory = source.stats.isDirectory();
        await putting.put(source, destinationOf(mounted, to, source.path, { isOneOfMany: sources.length > 1, isDirectory }));
      }
    }),
  );
}

export function putCommand(): Command {
  return imageCommand('put', 'Copy files into an image, with permissions, owners, times and holes')
    .usage('[options] <image> <source...> <destination>')
    .argument('<paths...>', 'one file or more, then the directory or name in the image', toPaths)
    .option('-r, --recursive', 'directories with all that is in them; symbolic links as such, files of several names once')
    .addHelpText('after', `
A file of the same name is replaced once the new one is whole. Blocks of zeros become holes.
Extended attributes are not copied. With -r, a device, fifo or socket is copied as such; without,
what can be read from it: COMMAND | node-dax ext2 put IMAGE /dev/stdin NAME.
A directory whose path ends without a name (., .., /) goes with what is in it into the destination.`)
    .action(act);
}
