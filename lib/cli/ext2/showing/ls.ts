// Owns the command `ext2 ls`: it lists a directory of an image.

import { Argument, type Command } from 'commander';
import type { Ext2Inode, Ext2Stat } from 'node-dax/ext2';
import { toJson } from '../../json.js';
import { findOut, foundInJson, lookInto } from './found.js';
import { imageCommand, readImage, type MountedImage, type Region } from '../image/image.js';
import { bytesOf, childOf, entriesOf, type Entry } from '../image/image-tree.js';
import { modeInLetters } from '../../trees/mode.js';
import { inJson, joined, printable, toPath } from '../../trees/names.js';
import { print, type Line } from '../../output.js';
import { minuteInWords } from './times.js';

interface Options extends Region {
  all?: true;
  long?: true;
  inode?: true;
  json?: true;
}

/**
 * Entries to list. `find` calls `look` with the inode of an entry; if that cannot be read, it prints the error and returns
 * undefined.
 */
interface Listing {
  readonly entries: readonly Entry[];
  readonly find: <T>(entry: Entry, look: (inode: Ext2Inode) => T) => T | undefined;
}

// The columns of an inode that cannot be read, as ls(1) prints them.
const UNKNOWN = ['??????????', '?', '?', '?', '?', '?'];

function listed(mounted: MountedImage, path: Buffer, options: Options): Listing {
  const top = mounted.resolve(path, options.long !== true);
  if (!top.isDirectory) {
    return { entries: [{ name: path.toString('latin1'), ino: top.ino }], find: (_entry, look) => findOut(() => mounted.at(path, () => look(top))) };
  }
  return {
    entries: entriesOf(mounted, path, top).filter(({ name }) => options.all === true || !name.startsWith('.')),
    find: (entry, look) => {
      const at = () => joined(path, bytesOf(entry));
      return findOut(() => mounted.at(at, () => look(childOf(mounted, at, top, entry))));
    },
  };
}

/**
 * Rows of right-aligned cells, kept by column. A directory may have very many, and a table of cli-table3 takes time in proportion to
 * their square.
 */
class Columns {
  readonly #columns: { width: number; readonly cells: string[] }[] = [];

  add(cells: readonly string[]): void {
    for (let index = 0; index < cells.length; index++) {
      const cell = cells[index] as string;
      const column = (this.#columns[index] ??= { width: 0, cells: [] });
      if (cell.length > column.width) column.width = cell.length;
      column.cells.push(cell);
    }
  }

  row(index: number): string {
    let text = '';
    for (const { width, cells } of this.#columns) text += `${text === '' ? '' : '  '}${(cells[index] as string).padStart(width)}`;
    return text;
  }
}

function cells({ mode, nlink, uid, gid, size, device, mtimeMs }: Ext2Stat): string[] {
  const bytes = device === undefined ? String(size) : `${device.major}, ${device.minor}`;
  return [modeInLetters(mode), String(nlink), String(uid), String(gid), bytes, minuteInWords(mtimeMs)];
}

function* long({ fs }: MountedImage, { entries, find }: Listing): Generator<Line> {
  const columns = new Columns();
  const targets = new Map<Entry, Uint8Array>();
  for (const entry of entries) {
    const isRead = find(entry, (inode) => {
      columns.add(cells(fs.stat(inode)));
      if (inode.isSymlink) targets.set(entry, fs.readlink(inode));
      return true;
    });
    if (isRead === undefined) columns.add(UNKNOWN);
  }
  for (const [index, entry] of entries.entries()) {
    const target = targets.get(entry);
    const arrow = target === undefined ? [] : [' -> ', printable(target)];
    yield [`${columns.row(index)}  `, printable(bytesOf(entry)), ...arrow];
  }
}

function* numbered(entries: readonly Entry[], lines: Iterable<Line>): Generator<Line> {
  const columns = new Columns();
  for (const { ino } of entries) columns.add([String(ino)]);
  let index = 0;
  for (const line of lines) yield [`${columns.row(index++)}  `, ...line];
}

function* short(entries: readonly Entry[]): Generator<Line> {
  for (const entry of entries) yield [printable(bytesOf(entry))];
}

function json(mounted: MountedImage, { entries, find }: Listing): unknown[] {
  return entries.map((entry) => {
    const found = find(entry, (inode) => lookInto(mounted, inode));
    return { ...inJson('name', bytesOf(entry)), ino: entry.ino, ...foundInJson(found) };
  });
}

async function act(image: string, path: Buffer, options: Options, command: Command): Promise<void> {
  await readImage(image, options, command, async (mounted) => {
    const listing = listed(mounted, path, options);
    if (options.json === true) {
      await print([[toJson(json(mounted, listing))]]);
      return;
    }
    const lines = options.long === true ? long(mounted, listing) : short(listing.entries);
    await print(options.inode === true ? numbered(listing.entries, lines) : lines);
  });
}

export function lsCommand(): Command {
  return imageCommand('ls', 'List the entries of a directory')
    .addArgument(new Argument('[path]', 'the directory, or a file').argParser(toPath).default(Buffer.from('/'), '/'))
    .option('-l, --long', 'also show type and permissions, links, owner, group, size and time of change')
    .option('-a, --all', 'also list names that begin with a dot')
    .option('-i, --inode', 'also show the number of the inode')
    .option('--json', 'print JSON')
    .action(act);
}
