// Owns the command `ext2 tree`: it draws everything below a directory as a tree.

import { Argument, type Command } from 'commander';
import type { Ext2Inode } from 'node-dax/ext2';
import { toJson } from '../../json.js';
import { findOut, foundInJson, lookInto, targetOf } from './found.js';
import { imageCommand, readImage, type MountedImage, type Region } from '../image/image.js';
import { pathOf, walkImage } from '../image/image-tree.js';
import { inJson, printable, toPath } from '../../trees/names.js';
import { print, type Line } from '../../output.js';
import type { Step } from '../image/walk.js';

interface Options extends Region {
  json?: true;
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

function* drawing(mounted: MountedImage, path: Buffer, steps: Iterable<Step<Ext2Inode | undefined>>): Generator<Line> {
  // For each depth, whether the vertical line continues below the last drawn entry.
  const goesOn: boolean[] = [];
  let directories = 0;
  let files = 0;
  for (const { item, names, phase, isLast } of steps) {
    const name = names.at(-1);
    if (phase === 'after') continue;
    if (name === undefined) {
      yield [printable(path)];
      continue;
    }
    goesOn.length = names.length - 1;
    const lines = goesOn.map((isOpen) => (isOpen ? '│   ' : '    ')).join('');
    goesOn.push(!isLast);
    if (item?.isDirectory === true) directories++;
    else files++;
    const target = item && findOut(() => mounted.at(() => pathOf(path, names), () => targetOf(mounted, item)));
    const after = phase === 'again' ? ['  (drawn above under another name)'] : target === undefined ? [] : [' -> ', printable(target)];
    yield [lines, isLast ? '└── ' : '├── ', printable(name), ...after];
  }
  yield [];
  yield [`${count(directories, 'directory', 'directories')}, ${count(files, 'file', 'files')}`];
}

function inDetail(mounted: MountedImage, path: Buffer, steps: Iterable<Step<Ext2Inode | undefined>>): unknown[] {
  return Array.from(steps)
    .filter(({ phase }) => phase !== 'after')
    .map(({ item, names }) => {
      const at = pathOf(path, names);
      return { ...inJson('path', at), ...foundInJson(item && findOut(() => mounted.at(at, () => lookInto(mounted, item)))) };
    });
}

export function treeCommand(): Command {
  return imageCommand('tree', 'Draw everything below a directory as a tree')
    .addArgument(new Argument('[path]', 'the directory').argParser(toPath).default(Buffer.from('/'), '/'))
    .option('--json', 'print JSON: a list of paths')
    .action(async (image: string, path: Buffer, options: Options, command: Command) => {
      await readImage(image, options, command, async (mounted) => {
        const top = mounted.resolve(path);
        if (!top.isDirectory) mounted.fail('ENOTDIR', path, 'it is no directory: `node-dax ext2 stat` tells what it is');
        const steps = walkImage(mounted, path, top);
        await print(options.json === true ? [[toJson(inDetail(mounted, path, steps))]] : drawing(mounted, path, steps));
      });
    });
}
