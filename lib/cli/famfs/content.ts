// Owns the commands on the content of files: `famfs cat`, `get`, `put` and `flush`.

import * as host from 'node:fs';
import type { Command } from 'commander';
import { readFullSync, writeAllSync, type DaxFile } from 'node-dax';
import type { Famfs, FamfsCreateOptions } from 'node-dax/famfs';
import { checked, parseCount } from '../arguments.js';
import { each } from '../trees/failures.js';
import { baseName, endsWithSlash, joined, toPath, toPaths } from '../trees/names.js';
import { write } from '../output.js';
import { parseSize } from '../../vm/size.js';
import { at, famfsCommand, withFamfs, type HostOptions } from './memory.js';

const CHUNK = 1024 * 1024;

/** The pieces of an open file, each in a new buffer, because a stream keeps what it was given. */
function* piecesOf(file: DaxFile): Generator<Buffer> {
  for (let pos = 0; pos < file.size; pos += CHUNK) {
    const piece = Buffer.allocUnsafe(Math.min(CHUNK, file.size - pos));
    readFullSync(file, piece, pos);
    yield piece;
  }
}

// Flushes the caches first, so the file is read as other hosts may have changed it.
function openFresh(famfs: Famfs, path: Buffer): ReturnType<Famfs['open']> {
  famfs.flush(path);
  return famfs.open(path, { readOnly: true });
}

export function catCommand(): Command {
  return famfsCommand('cat', 'Write the bytes of files to the standard output')
    .argument('<path...>', 'the files', toPaths)
    .action(async (device: string, paths: Buffer[], options: HostOptions, command: Command) => {
      await withFamfs(device, options, command, true, async (famfs) => {
        await each(paths, async (path) => {
          using file = at(command, device, path, () => openFresh(famfs, path));
          for (const piece of piecesOf(file)) await write(piece);
        });
      });
    });
}

// The destination of the file `name` that is copied to `to`.
function destination(name: Buffer, to: Buffer, isInto: boolean): Buffer {
  return isInto || endsWithSlash(to) ? joined(to, baseName(name)) : to;
}

function getOne(famfs: Famfs, path: Buffer, to: Buffer): void {
  using file = openFresh(famfs, path);
  const fd = host.openSync(to, 'w');
  try {
    for (const piece of piecesOf(file)) host.writeFileSync(fd, piece);
  } finally {
    host.closeSync(fd);
  }
}

export function getCommand(): Command {
  return famfsCommand('get', 'Copy a file out of it; a file of the same name is overwritten')
    .argument('<path>', 'the file', toPath)
    .argument('<destination>', 'a directory or name outside', toPath)
    .action(async (device: string, path: Buffer, to: Buffer, options: HostOptions, command: Command) => {
      await withFamfs(device, options, command, true, (famfs) => {
        const isInto = host.statSync(to, { throwIfNoEntry: false })?.isDirectory() ?? false;
        at(command, device, path, () => { getOne(famfs, path, destination(path, to, isInto)); });
      });
    });
}

interface PutOptions extends HostOptions, Pick<FamfsCreateOptions, 'stripes' | 'chunk'> {
  parents?: true;
}

function makeParents(famfs: Famfs, path: Buffer): void {
  const names = path.toString('latin1').split('/').filter((name) => name !== '').slice(0, -1);
  for (let count = 1; count <= names.length; count++) {
    const above = Buffer.from(names.slice(0, count).join('/'), 'latin1');
    const { dir, name } = famfs.resolveParent(above);
    if (famfs.lookup(dir, name) === undefined) famfs.mkdir(above);
  }
}

function putOne(famfs: Famfs, from: Buffer, to: Buffer, { stripes, chunk }: PutOptions): void {
  const fd = host.openSync(from, 'r');
  try {
    const { size, mode, uid, gid } = host.fstatSync(fd);
    const fill = (file: DaxFile): void => {
      const piece = Buffer.allocUnsafe(CHUNK);
      for (let pos = 0; pos < size; ) {
        const read = host.readSync(fd, piece, 0, Math.min(CHUNK, size - pos), pos);
        if (read === 0) return;
        writeAllSync(file, piece.subarray(0, read), pos);
        pos += read;
      }
    };
    famfs.create(to, size, { mode: mode % 0o10000, uid, gid, fill, ...(stripes !== undefined && { stripes }), ...(chunk !== undefined && { chunk }) });
  } finally {
    host.closeSync(fd);
  }
}

export function putCommand(): Command {
  return famfsCommand('put', 'Copy a file into it, on the master; its size cannot change later')
    .argument('<file>', 'the file outside', toPath)
    .argument('<path>', 'a directory or name in it', toPath)
    .option('-p, --parents', 'also make the directories above it')
    .option('--stripes <count>', 'number of strips that the bytes go to in turn, 1 to 16', parseCount(1))
    .option('--chunk <bytes>', 'bytes that go to one strip at a time (default: 2M)', checked(parseSize))
    .action(async (device: string, from: Buffer, path: Buffer, options: PutOptions, command: Command) => {
      await withFamfs(device, options, command, false, (famfs) => {
        at(command, device, path, () => {
          if (options.parents === true) makeParents(famfs, endsWithSlash(path) ? joined(path, baseName(from)) : path);
          const to = destination(from, path, isDirectory(famfs, path));
          putOne(famfs, from, to, options);
        });
      });
    });
}

function isDirectory(famfs: Famfs, path: Buffer): boolean {
  const { dir, name } = famfs.resolveParent(path);
  return famfs.lookup(dir, name)?.isDirectory ?? false;
}

export function flushCommand(): Command {
  return famfsCommand('flush', "Write this host's stores to files back to the memory, and drop the files from its caches")
    .argument('<path...>', 'the files', toPaths)
    .action(async (device: string, paths: Buffer[], options: HostOptions, command: Command) => {
      await withFamfs(device, options, command, true, async (famfs) => {
        await each(paths, (path) => { at(command, device, path, () => { famfs.flush(path); }); });
      });
    });
}
