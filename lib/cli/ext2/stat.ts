// Owns the command `ext2 stat`: all that an inode tells.

import type { Command } from 'commander';
import type { Ext2Stat } from 'node-dax/ext2';
import { toJson } from '../json.js';
import { imageCommand, readImage, type MountedImage, type Region } from './image.js';
import { modeInDigits, modeInLetters, typeInWords } from './mode.js';
import { inJson, printable, toPaths } from './names.js';
import { print, timeInWords, type Line } from './output.js';

interface Options extends Region {
  dereference?: true;
  json?: true;
}

interface Told {
  readonly path: Uint8Array;
  readonly target: Uint8Array | undefined;
  readonly stat: Ext2Stat;
}

/** What an inode tells, for JSON. */
export function statInJson({ mode, ...stat }: Ext2Stat): object {
  return { type: typeInWords(mode), mode: modeInDigits(mode), ...stat };
}

function look(mounted: MountedImage, path: Uint8Array, follow: boolean): Told {
  const inode = mounted.resolve(path, follow);
  const target = inode.isSymlink ? mounted.at(path, () => mounted.fs.readlink(inode)) : undefined;
  return { path, target, stat: mounted.at(path, () => mounted.fs.stat(inode)) };
}

// As stat(1) has it.
function inWords({ path, target, stat }: Told): Line[] {
  const { ino, mode, nlink, uid, gid, device, size, blksize, blocks, atimeMs, mtimeMs, ctimeMs, birthtimeMs } = stat;
  const cells = (...pairs: [string, string | number][]): string =>
    pairs.map(([name, value]) => `${name}: ${String(value).padEnd(12)}`).join(' ').trimEnd();
  const numbers: [string, string][] = device === undefined ? [] : [['Device type', `${device.major},${device.minor}`]];
  return [
    ['  File: ', printable(path), ...(target === undefined ? [] : [' -> ', printable(target)])],
    [`  ${cells(['Size', size], ['Blocks', blocks], ['IO Block', blksize])} ${typeInWords(mode)}`],
    [` ${cells(['Inode', ino], ['Links', nlink], ...numbers)}`],
    [`Access: (${modeInDigits(mode)}/${modeInLetters(mode)})  Uid: ${uid}  Gid: ${gid}`],
    [`Access: ${timeInWords(atimeMs)}`],
    [`Modify: ${timeInWords(mtimeMs)}`],
    [`Change: ${timeInWords(ctimeMs)}`],
    [` Birth: ${birthtimeMs === undefined ? '-' : timeInWords(birthtimeMs)}`],
  ];
}

async function act(image: string, paths: Buffer[], options: Options, command: Command): Promise<void> {
  await readImage(image, options, command, async (mounted) => {
    const told = paths.map((path) => look(mounted, path, options.dereference === true));
    if (options.json !== true) {
      await print(told.flatMap(inWords));
      return;
    }
    const things = told.map(({ path, target, stat }) => ({
      ...inJson('path', path),
      ...(target !== undefined && inJson('target', target)),
      ...statInJson(stat),
    }));
    await print([[toJson(things)]]);
  });
}

export function statCommand(): Command {
  return imageCommand('stat', 'Show all that is known of files: type, permissions, size, blocks, times')
    .argument('<path...>', 'the files', toPaths)
    .option('-L, --dereference', 'of a symbolic link, show what it leads to')
    .option('--json', 'print JSON')
    .action(act);
}
