// Owns the command `ext2 stat`: it prints everything in an inode.

import type { Command } from 'commander';
import { toJson } from '../../json.js';
import { each } from '../../trees/failures.js';
import { foundInJson, lookInto, type Found } from './found.js';
import { imageCommand, readImage, type Region } from '../image/image.js';
import { modeInDigits, modeInLetters, typeInWords } from '../../trees/mode.js';
import { inJson, printable, toPaths } from '../../trees/names.js';
import { print, type Line } from '../../output.js';
import { timeInWords } from './times.js';

interface Options extends Region {
  dereference?: true;
  json?: true;
}

interface Told extends Found {
  readonly path: Uint8Array;
}

// The form of stat(1).
function inWords({ path, target, stat }: Told): Line[] {
  const { ino, mode, nlink, uid, gid, device, size, blksize, blocks, atimeNs, mtimeNs, ctimeNs, birthtimeNs } = stat;
  const cells = (...pairs: [string, string | number][]): string =>
    pairs.map(([name, value]) => `${name}: ${String(value).padEnd(12)}`).join(' ').trimEnd();
  const numbers: [string, string][] = device === undefined ? [] : [['Device type', `${device.major},${device.minor}`]];
  return [
    ['  File: ', printable(path), ...(target === undefined ? [] : [' -> ', printable(target)])],
    [`  ${cells(['Size', size], ['Blocks', blocks], ['IO Block', blksize])} ${typeInWords(mode)}`],
    [` ${cells(['Inode', ino], ['Links', nlink], ...numbers)}`],
    [`Access: (${modeInDigits(mode)}/${modeInLetters(mode)})  Uid: ${uid}  Gid: ${gid}`],
    [`Access: ${timeInWords(atimeNs)}`],
    [`Modify: ${timeInWords(mtimeNs)}`],
    [`Change: ${timeInWords(ctimeNs)}`],
    [` Birth: ${birthtimeNs === undefined ? '-' : timeInWords(birthtimeNs)}`],
  ];
}

async function act(image: string, paths: Buffer[], options: Options, command: Command): Promise<void> {
  await readImage(image, options, command, async (mounted) => {
    const told: Told[] = [];
    await each(paths, (path) => {
      const inode = mounted.resolve(path, options.dereference === true);
      told.push({ path, ...mounted.at(path, () => lookInto(mounted, inode)) });
    });
    if (options.json !== true) {
      await print(told.flatMap(inWords));
      return;
    }
    await print([[toJson(told.map(({ path, ...found }) => ({ ...inJson('path', path), ...foundInJson(found) })))]]);
  });
}

export function statCommand(): Command {
  return imageCommand('stat', 'Show everything about files: type, permissions, size, blocks, times')
    .argument('<path...>', 'the files', toPaths)
    .option('-L, --dereference', 'show the target of a symbolic link, not the link')
    .option('--json', 'print JSON')
    .action(act);
}
