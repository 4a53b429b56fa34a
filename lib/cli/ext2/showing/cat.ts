// Owns the command `ext2 cat`: it prints the bytes of files unchanged.

import type { Command } from 'commander';
import { each } from '../../trees/failures.js';
import { imageCommand, readImage, type MountedImage, type Region } from '../image/image.js';
import { toPaths } from '../../trees/names.js';
import { write } from '../../output.js';

const CHUNK = 1024 * 1024;

const ADVICE = {
  EISDIR: 'it is a directory: `node-dax ext2 ls` shows what is in it',
  EINVAL: 'it is a device, fifo or socket: there is nothing in it',
};

async function writeFile(mounted: MountedImage, path: Buffer): Promise<void> {
  const file = mounted.at(path, () => mounted.fs.open(mounted.fs.resolve(path), { readOnly: true }), ADVICE);
  try {
    for (let pos = 0; ; ) {
      // Each chunk is a new buffer, because a stream keeps what it was given until it is read.
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, file.size - pos));
      const read = mounted.at(path, () => file.readSync(chunk, pos));
      if (read === 0) return;
      await write(chunk.subarray(0, read));
      pos += read;
    }
  } finally {
    file.closeSync();
  }
}

export function catCommand(): Command {
  return imageCommand('cat', 'Write the bytes of files to the standard output')
    .argument('<path...>', 'the files', toPaths)
    .action(async (image: string, paths: Buffer[], options: Region, command: Command) => {
      await readImage(image, options, command, async (mounted) => {
        await each(paths, (path) => writeFile(mounted, path));
      });
    });
}
