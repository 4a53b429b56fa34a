// Owns the command `ext2 ls`: what is in a directory of an image.

import { Argument, type Command } from 'commander';
import type { Ext2Stat } from 'node-dax/ext2';
import { toJson } from '../json.js';
import { findOut, foundInJson, type Found } from './found.js';
import { imageCommand, readImage, type MountedImage, type Region } from './image.js';
import { childOf, entriesOf } from './image-tree.js';
import { modeInLetters } from '../trees/mode.js';
import { inJson, joined, printable, toPath } from '../trees/names.js';
import { print, type Line } from '../output.js';
import { minuteInWords } from './times.js';

interface Options extends Region {
  all?: true;
  long?: true;
  inode?: true;
  json?: true;
}

/** A name that is listed, and what its inode tells, which is asked for only where it is wanted. */
interface Listed {
  readonly name: Uint8Array;
  readonly ino: number;
  readonly find: () => Found | undefined;
}

const DOT = 0x2e;
// The columns of what cannot be read, as ls(1) has them.
const UNKNOWN = ['??????????', '?', '?', '?', '?', '?'];

function listed(mounted: MountedImage, path: Buffer, options: Options): Listed[] {
  const top = mounted.resolve(path, options.long !== true);
  if (!top.isDirectory) return [{ name: path, ino: top.ino, find: () => findOut(mounted, path, () => top) }];
  return entriesOf(mounted, path, top)
    .filter(({ bytes }) => options.all === true || bytes[0] !== DOT)
    .map(({ bytes, ino }) => ({
      name: bytes,
      ino,
      find: () => {
        const at = joined(path, bytes);
        return findOut(mounted, at, () => childOf(mounted, at, top, bytes));
      },
    }));
}

/**
 * The cells of rows, one after the other in columns that end together. Each row is kept as one string: a directory may have
 * many, and a table of cli-table3 takes time by the square of them.
 */
class Columns {
  readonly #widths: number[] = [];
  readonly #rows: string[] = [];

  add(cells: readonly string[]): void {
    for (const [column, cell] of cells.entries()) this.#widths[column] = Math.max(this.#widths[column] ?? 0, cell.length);
    this.#rows.push(cells.join('\0'));
  }

  row(index: number): string {
    const cells = this.#rows[index]?.split('\0') ?? [];
    return cells.map((cell, column) => cell.padStart(this.#widths[column] ?? 0)).join('  ');
  }
}

function cells({ mode, nlink, uid, gid, size, device, mtimeMs }: Ext2Stat): string[] {
  const bytes = device === undefined ? String(size) : `${device.major}, ${device.minor}`;
  return [modeInLetters(mode), String(nlink), String(uid), String(gid), bytes, minuteInWords(mtimeMs)];
}

function* long(entries: readonly Listed[]): Generator<Line> {
  const columns = new Columns();
  const targets = new Map<Listed, Uint8Array>();
  for (const entry of entries) {
    const found = entry.find();
    columns.add(found === undefined ? UNKNOWN : cells(found.stat));
    if (found?.target !== undefined) targets.set(entry, found.target);
  }
  for (const [index, entry] of entries.entries()) {
    const target = targets.get(entry);
    const arrow = target === undefined ? [] : [' -> ', printable(target)];
    yield [`${columns.row(index)}  `, printable(entry.name), ...arrow];
  }
}

function* numbered(entries: readonly Listed[], lines: Iterable<Line>): Generator<Line> {
  const columns = new Columns();
  for (const { ino } of entries) columns.add([String(ino)]);
  let index = 0;
  for (const line of lines) yield [`${columns.row(index++)}  `, ...line];
}

function* short(entries: readonly Listed[]): Generator<Line> {
  for (const { name } of entries) yield [printable(name)];
}

function json(entries: readonly Listed[]): unknown[] {
  return entries.map(({ name, ino, find }) => ({ ...inJson('name', name), ino, ...foundInJson(find()) }));
}

async function act(image: string, path: Buffer, options: Options, command: Command): Promise<void> {
  await readImage(image, options, command, async (mounted) => {
    const entries = listed(mounted, path, options);
    if (options.json === true) {
      await print([[toJson(json(entries))]]);
      return;
    }
    const lines = options.long === true ? long(entries) : short(entries);
    await print(options.inode === true ? numbered(entries, lines) : lines);
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
