// Owns the command `ext2 ls`: what is in a directory of an image.

import { Argument, type Command } from 'commander';
import type { Ext2Inode, Ext2Stat } from 'node-dax/ext2';
import { toJson } from '../json.js';
import { findOut, foundInJson } from './found.js';
import { imageCommand, readImage, type MountedImage, type Region } from './image.js';
import { childOf, entriesOf } from './image-tree.js';
import { modeInLetters } from './mode.js';
import { inJson, joined, printable, toPath } from './names.js';
import { minuteInWords, print, type Line } from './output.js';

interface Options extends Region {
  all?: true;
  long?: true;
  inode?: true;
  json?: true;
}

/** A name that is listed; `inode` is asked for only where more than its number is wanted. */
interface Listed {
  readonly name: Uint8Array;
  readonly path: Uint8Array;
  readonly ino: number;
  readonly inode: () => Ext2Inode;
}

const DOT = 0x2e;
// The columns of what cannot be read, as ls(1) has them.
const UNKNOWN = ['??????????', '?', '?', '?', '?', '?'];

function listed(mounted: MountedImage, path: Buffer, options: Options): Listed[] {
  const top = mounted.resolve(path, options.long !== true);
  if (!top.isDirectory) return [{ name: path, path, ino: top.ino, inode: () => top }];
  return entriesOf(mounted, path, top)
    .filter(({ bytes }) => options.all === true || bytes[0] !== DOT)
    .map(({ bytes, ino }) => {
      const at = joined(path, bytes);
      return { name: bytes, path: at, ino, inode: () => childOf(mounted, at, top, bytes) };
    });
}

// A table of cli-table3 takes time by the square of its rows, and directories have many.
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => rows.reduce((widest, row) => Math.max(widest, row[column]?.length ?? 0), 0));
  return rows.map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '));
}

function cells({ mode, nlink, uid, gid, size, device, mtimeMs }: Ext2Stat): string[] {
  const bytes = device === undefined ? String(size) : `${device.major}, ${device.minor}`;
  return [modeInLetters(mode), String(nlink), String(uid), String(gid), bytes, minuteInWords(mtimeMs)];
}

function long(mounted: MountedImage, entries: readonly Listed[]): Line[] {
  const found = entries.map(({ path, inode }) => findOut(mounted, path, inode));
  const prefixes = aligned(found.map((one) => (one === undefined ? UNKNOWN : cells(one.stat))));
  return entries.map(({ name }, index) => {
    const target = found[index]?.target;
    const arrow = target === undefined ? [] : [' -> ', printable(target)];
    return [`${prefixes[index] ?? ''}  `, printable(name), ...arrow];
  });
}

function json(mounted: MountedImage, entries: readonly Listed[]): unknown[] {
  return entries.map(({ name, ino, path, inode }) => ({ ...inJson('name', name), ino, ...foundInJson(findOut(mounted, path, inode)) }));
}

async function act(image: string, path: Buffer, options: Options, command: Command): Promise<void> {
  await readImage(image, options, command, async (mounted) => {
    const entries = listed(mounted, path, options);
    if (options.json === true) {
      await print([[toJson(json(mounted, entries))]]);
      return;
    }
    const lines = options.long === true ? long(mounted, entries) : entries.map(({ name }): Line => [printable(name)]);
    const numbers = options.inode === true ? aligned(entries.map(({ ino }) => [String(ino)])) : undefined;
    await print(numbers === undefined ? lines : lines.map((line, index) => [`${numbers[index] ?? ''}  `, ...line]));
  });
}

export function lsCommand(): Command {
  return imageCommand('ls', 'List what is in a directory')
    .addArgument(new Argument('[path]', 'the directory, or a file').argParser(toPath).default(Buffer.from('/'), '/'))
    .option('-l, --long', 'with type and permissions, links, owner, group, size and time of change')
    .option('-a, --all', 'names that begin with a dot as well')
    .option('-i, --inode', 'with the number of the inode')
    .option('--json', 'print JSON')
    .action(act);
}
