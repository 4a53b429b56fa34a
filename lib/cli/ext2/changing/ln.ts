// Owns the command `ext2 ln`.

import type { Command } from 'commander';
import { destinationAt } from '../image/destination.js';
import { changeImage, imageCommand, type Region } from '../image/image.js';
import { toPath } from '../../trees/names.js';

interface Options extends Region {
  symbolic?: true;
}

const ADVICE = {
  EPERM: 'a directory has one name: -s makes a symbolic link to it',
  EMLINK: 'the file has as many names as it can have: copy it instead',
};

export function lnCommand(): Command {
  return imageCommand('ln', 'Give a file another name, or make a symbolic link')
    .argument('<target>', 'the file; for a symbolic link, any text as its target', toPath)
    .argument('<name>', 'the new name, or the directory for it', toPath)
    .option('-s, --symbolic', 'make a symbolic link')
    .action(async (image: string, target: Buffer, to: Buffer, { symbolic, ...region }: Options, command: Command) => {
      await changeImage(image, region, command, (mounted) => {
        const { fs } = mounted;
        if (symbolic === true) {
          const { dir, name, path } = destinationAt(mounted, to, 1)(target, false);
          mounted.at(path, () => fs.symlink(dir, name, target));
          return;
        }
        const inode = mounted.resolve(target, false);
        const { dir, name, path } = destinationAt(mounted, to, 1)(target, false);
        mounted.at(path, () => { fs.link(inode, dir, name); }, ADVICE);
      });
    });
}
