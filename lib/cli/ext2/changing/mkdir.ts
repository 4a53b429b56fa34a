// Owns the command `ext2 mkdir`.

import { Option, type Command } from 'commander';
import { checked } from '../../arguments.js';
import { each } from '../../trees/failures.js';
import { changeImage, imageCommand, type MountedImage, type Region } from '../image/image.js';
import { toPaths } from '../../trees/names.js';

interface Options extends Region {
  parents?: true;
  mode: number;
}

const USUAL_MODE = 0o755;
const SLASH = 0x2f;

/** Parses a mode such as `755`, as chmod takes it. */
function parseMode(text: string): number {
  if (!/^[0-7]{1,4}$/.test(text)) throw new RangeError(`'${text}' is no mode such as 755`);
  return parseInt(text, 8);
}

function make(mounted: MountedImage, path: Uint8Array, mode: number): void {
  const { dir, name } = mounted.parentOf(path);
  mounted.at(path, () => mounted.fs.mkdir(dir, name, mode));
}

// Makes each directory of the path that does not exist.
function makeAll(mounted: MountedImage, path: Buffer, mode: number): void {
  for (let end = 1; end <= path.length; end++) {
    if (end < path.length && path[end] !== SLASH) continue;
    const part = path.subarray(0, end);
    const there = mounted.find(part);
    if (there === undefined) make(mounted, part, end === path.length ? mode : USUAL_MODE);
    else if (!there.isDirectory) mounted.fail('ENOTDIR', part, 'it is no directory: choose another name');
  }
}

export function mkdirCommand(): Command {
  return imageCommand('mkdir', 'Make directories')
    .argument('<path...>', 'the directories', toPaths)
    .option('-p, --parents', 'also make the directories above them, and accept those that exist')
    .addOption(new Option('-m, --mode <octal>', 'permissions').argParser(checked(parseMode)).default(USUAL_MODE, '755'))
    .action(async (image: string, paths: Buffer[], { parents, mode, ...region }: Options, command: Command) => {
      await changeImage(image, region, command, (mounted) =>
        each(paths, (path) => { (parents === true ? makeAll : make)(mounted, path, mode); }),
      );
    });
}
