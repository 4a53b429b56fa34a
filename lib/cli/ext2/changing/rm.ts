// Owns the command `ext2 rm`.

import type { Command } from 'commander';
import { DaxError } from 'node-dax';
import type { Ext2Inode } from 'node-dax/ext2';
import { checkInterrupted, interruptible } from '../../interruption.js';
import { hasNoName, ownName, type Dentry } from '../image/destination.js';
import { each } from '../../trees/failures.js';
import { changeImage, imageCommand, type MountedImage, type Region } from '../image/image.js';
import { pathOf, walkImage } from '../image/image-tree.js';
import { toPaths } from '../../trees/names.js';

interface Options extends Region {
  recursive?: true;
  force?: true;
}

const ADVICE = {
  EPERM: 'it is immutable or append-only: `debugfs -w` can change its flags',
};

// Removes a tree: the content of each directory before the directory.
async function removeTree(mounted: MountedImage, path: Buffer, first: Dentry, top: Ext2Inode, signal: AbortSignal): Promise<void> {
  const { fs } = mounted;
  const parents: Ext2Inode[] = [];
  for (const { item, names, phase } of walkImage(mounted, path, top)) {
    await checkInterrupted(signal);
    if (item === undefined) continue;
    if (item.isDirectory && phase === 'at') {
      parents.push(item);
      continue;
    }
    if (phase === 'after') parents.pop();
    const dir = parents.at(-1) ?? first.dir;
    const name = names.at(-1) ?? first.name;
    mounted.at(pathOf(path, names), () => { fs[item.isDirectory ? 'rmdir' : 'unlink'](dir, name); }, ADVICE);
  }
}

// Whether nothing is at `path`, also because a part of the path is not a directory.
function isMissing(mounted: MountedImage, path: Buffer): boolean {
  try {
    mounted.resolve(path, false);
    return false;
  } catch (error) {
    if (error instanceof DaxError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return true;
    throw error;
  }
}

async function remove(mounted: MountedImage, path: Buffer, { recursive, force }: Options, signal: AbortSignal): Promise<void> {
  if (force === true && !hasNoName(path) && isMissing(mounted, path)) return;
  const { inode, ...place } = ownName(mounted, path);
  if (inode.isDirectory && recursive !== true) mounted.fail('EISDIR', path, 'it is a directory: -r removes it with all that is in it');
  await removeTree(mounted, path, place, inode, signal);
}

export function rmCommand(): Command {
  return imageCommand('rm', 'Remove files and, with -r, directories with everything in them')
    .argument('<path...>', 'the files and directories to remove', toPaths)
    .option('-r, --recursive', 'also remove directories')
    .option('-f, --force', 'ignore paths that do not exist')
    .action(async (image: string, paths: Buffer[], options: Options, command: Command) => {
      await interruptible((signal) =>
        changeImage(image, options, command, (mounted) => each(paths, (path) => remove(mounted, path, options, signal))),
      );
    });
}
