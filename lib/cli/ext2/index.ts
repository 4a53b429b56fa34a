// Owns the command `ext2`: its subcommands, in the order of its help.

import { Command } from 'commander';
import { commandsFor, type CommandTable } from '../commands.js';

const COMMANDS: CommandTable = {
  mkfs: async () => (await import('./changing/mkfs.js')).mkfsCommand(),
  info: async () => (await import('./showing/info.js')).infoCommand(),
  check: async () => (await import('./showing/check.js')).checkCommand(),
  df: async () => (await import('./showing/df.js')).dfCommand(),
  ls: async () => (await import('./showing/ls.js')).lsCommand(),
  tree: async () => (await import('./showing/tree.js')).treeCommand(),
  stat: async () => (await import('./showing/stat.js')).statCommand(),
  cat: async () => (await import('./showing/cat.js')).catCommand(),
  put: async () => (await import('./copying/put.js')).putCommand(),
  get: async () => (await import('./copying/get.js')).getCommand(),
  mkdir: async () => (await import('./changing/mkdir.js')).mkdirCommand(),
  rm: async () => (await import('./changing/rm.js')).rmCommand(),
  mv: async () => (await import('./changing/mv.js')).mvCommand(),
  ln: async () => (await import('./changing/ln.js')).lnCommand(),
};

/** The command, with the subcommands that `args` name, or with all. */
export async function ext2Command(args: readonly string[]): Promise<Command> {
  const command = new Command('ext2')
    .description('Make, read, change and check ext2 filesystems on images, partitions and devices, without mounting them')
    .addHelpText('after', `
Paths in an image begin at its root, with or without a slash. Commands that only read write nothing to the image.
Exit status: 0 success, 1 failure, 2 wrong usage.`);
  for (const subcommand of await commandsFor(COMMANDS, args)) command.addCommand(subcommand);
  return command;
}
