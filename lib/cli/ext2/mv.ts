// Owns the command `ext2 mv`.

import type { Command } from 'commander';
import { destinationOf, sourcesAndDestination } from './destination.js';
import { changeImage, imageCommand, type Region } from './image.js';
import { toPaths } from './names.js';

const ADVICE = { EINVAL: 'a directory cannot go into itself' };

export function mvCommand(): Command {
  return imageCommand('mv', 'Rename, or move into a directory; what had the new name is replaced')
    .usage('[options] <image> <source...> <destination>')
    .argument('<paths...>', 'what is to be moved, then its new name or directory', toPaths)
    .action(async (image: string, paths: Buffer[], region: Region, command: Command) => {
      const { sources, to } = sourcesAndDestination(paths, command);
      await changeImage(image, region, command, (mounted) => {
        for (const source of sources) {
          const { isDirectory } = mounted.resolve(source, false);
          const from = mounted.parentOf(source);
          const { dir, name, path } = destinationOf(mounted, to, source, { isOneOfMany: sources.length > 1, isDirectory });
          mounted.at(path, () => { mounted.fs.rename(from.dir, from.name, dir, name); }, ADVICE);
        }
      });
    });
}
