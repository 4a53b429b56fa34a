// Owns the command `ext2 df`: it prints how much of an image is used, and how much is free.

import type { Command } from 'commander';
import type { Ext2Statfs } from 'node-dax/ext2';
import { toJson } from '../../json.js';
import { columns, humanSize } from '../../table.js';
import { imageCommand, readImage, type Region } from '../image/image.js';
import { print } from '../../output.js';

interface Options extends Region {
  json?: true;
}

// The used part of the blocks that users may have, rounded up, as df does.
function percent(used: number, available: number): string {
  return used + available === 0 ? '-' : `${Math.ceil((100 * used) / (used + available))}%`;
}

function rowOf(image: string, { blockSize, blocks, freeBlocks, availableBlocks, inodes, freeInodes }: Ext2Statfs): string[] {
  const used = blocks - freeBlocks;
  return [
    image,
    humanSize(blocks * blockSize),
    humanSize(used * blockSize),
    humanSize(availableBlocks * blockSize),
    percent(used, availableBlocks),
    String(inodes),
    String(inodes - freeInodes),
    String(freeInodes),
    percent(inodes - freeInodes, freeInodes),
  ];
}

const HEAD = ['FILESYSTEM', 'SIZE', 'USED', 'AVAILABLE', 'USE%', 'INODES', 'IUSED', 'IFREE', 'IUSE%'];

export function dfCommand(): Command {
  return imageCommand('df', 'Show used and free space; blocks reserved for root do not count as available')
    .option('--json', 'print JSON, in blocks')
    .action(async (image: string, options: Options, command: Command) => {
      await readImage(image, options, command, async ({ fs }) => {
        const statfs = fs.statfs();
        await print([[options.json === true ? toJson({ image, ...statfs }) : columns(HEAD, [rowOf(image, statfs)])]]);
      });
    });
}
