// Owns the command `ext2 mv`.

import type { Command } from 'commander';
import { DaxError } from 'node-dax';
import type { Ext2Inode } from 'node-dax/ext2';
import { destinationAt, GivenNames, ownName, sourcesAndDestination, type Destination } from '../image/destination.js';
import { each } from '../../trees/failures.js';
import { changeImage, imageCommand, type MountedImage, type Region } from '../image/image.js';
import { shown, toPaths } from '../../trees/names.js';

const ADVICE = { EINVAL: 'a directory cannot go into itself' };

// Whether `source` is a link to the inode that it would replace: the link would then be broken.
function leadsTo(mounted: MountedImage, source: Buffer, { ino }: Ext2Inode): boolean {
  try {
    return mounted.resolve(source).ino === ino;
  } catch (error) {
    if (error instanceof DaxError) return false;
    throw error;
  }
}

function move(mounted: MountedImage, source: Buffer, destination: (source: Buffer, isDirectory: boolean) => Destination, given: GivenNames): void {
  const { fs } = mounted;
  const { inode, ...from } = ownName(mounted, source);
  const to = destination(source, inode.isDirectory);
  const there = mounted.at(to.path, () => fs.lookup(to.dir, to.name));
  // rename(2) does nothing for two names of one file.
  if (there !== undefined && (there.ino === inode.ino || leadsTo(mounted, source, there))) {
    mounted.fail('EINVAL', to.path, `it and ${shown(source)} are the same file: \`node-dax ext2 rm\` removes one of the names`);
  }
  if (there !== undefined) given.check(to);
  mounted.at(to.path, () => { fs.rename(from.dir, from.name, to.dir, to.name); }, ADVICE);
  given.add(to);
}

export function mvCommand(): Command {
  return imageCommand('mv', 'Rename, or move into a directory; a file that has the new name is replaced')
    .usage('[options] <image> <source...> <destination>')
    .argument('<paths...>', 'the files to move, then the new name or directory', toPaths)
    .action(async (image: string, paths: Buffer[], region: Region, command: Command) => {
      const { sources, to } = sourcesAndDestination(paths, command);
      await changeImage(image, region, command, (mounted) => {
        const destination = destinationAt(mounted, to, sources.length);
        const given = new GivenNames(mounted);
        return each(sources, (source) => { move(mounted, source, destination, given); });
      });
    });
}
