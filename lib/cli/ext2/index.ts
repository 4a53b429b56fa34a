// Owns the command `ext2`: its subcommands, in the order of its help.

import { Command } from 'commander';
import { catCommand } from './cat.js';
import { checkCommand } from './check.js';
import { dfCommand } from './df.js';
import { getCommand } from './get.js';
import { infoCommand } from './info.js';
import { lnCommand } from './ln.js';
import { lsCommand } from './ls.js';
import { mkdirCommand } from './mkdir.js';
import { mkfsCommand } from './mkfs.js';
import { mvCommand } from './mv.js';
import { putCommand } from './put.js';
import { rmCommand } from './rm.js';
import { statCommand } from './stat.js';
import { treeCommand } from './tree.js';

export function ext2Command(): Command {
  const command = new Command('ext2')
    .description('Make, read, change and check ext2 filesystems on images, partitions and devices, without mounting them')
    .addHelpText('after', `
Paths in an image begin at its root, with a slash or without. What only reads writes nothing to the image.
Exit status: 0 fine, 1 failed, 2 wrong usage.`);
  for (const subcommand of [mkfsCommand(), infoCommand(), checkCommand(), dfCommand()]) command.addCommand(subcommand);
  for (const subcommand of [lsCommand(), treeCommand(), statCommand(), catCommand()]) command.addCommand(subcommand);
  for (const subcommand of [putCommand(), getCommand(), mkdirCommand(), rmCommand(), mvCommand(), lnCommand()]) {
    command.addCommand(subcommand);
  }
  return command;
}
