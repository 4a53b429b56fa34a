// Owns the command `ext2 info`: what a filesystem is, from its superblock.

import type { Command } from 'commander';
import { toJson } from '../json.js';
import { describe, historyLines, layoutLines } from './describe.js';
import { imageCommand, readImage, type Region } from './image.js';
import { print } from './output.js';

interface Options extends Region {
  json?: true;
}

export function infoCommand(): Command {
  return imageCommand('info', 'Show what a filesystem is: sizes, features, state, times')
    .option('--json', 'print JSON')
    .action(async (image: string, options: Options, command: Command) => {
      await readImage(image, options, command, async ({ fs: { superblock } }) => {
        if (options.json === true) await print([[toJson({ image, ...describe(superblock) })]]);
        else await print([...layoutLines(superblock), ...historyLines(superblock)].map((line) => [line]));
      });
    });
}
