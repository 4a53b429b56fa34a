// Owns the command `famfs`: its subcommands, in the order of its help.

import { Command } from 'commander';
import { commandsFor, type CommandTable } from '../commands.js';

const COMMANDS: CommandTable = {
  mkfs: async () => (await import('./state.js')).mkfsCommand(),
  info: async () => (await import('./state.js')).infoCommand(),
  check: async () => (await import('./state.js')).checkCommand(),
  ls: async () => (await import('./show.js')).lsCommand(),
  tree: async () => (await import('./show.js')).treeCommand(),
  stat: async () => (await import('./show.js')).statCommand(),
  cat: async () => (await import('./content.js')).catCommand(),
  get: async () => (await import('./content.js')).getCommand(),
  put: async () => (await import('./content.js')).putCommand(),
  flush: async () => (await import('./content.js')).flushCommand(),
};

/** The command, with the subcommands that `args` name, or with all. */
export async function famfsCommands(args: readonly string[]): Promise<Command> {
  const command = new Command('famfs')
    .description('Make, read, add to and check famfs on memory that hosts share, without the kernel')
    .addHelpText('after', `
Paths begin at its root, with or without a slash. Commands that only read store nothing.
Exit status: 0 success, 1 failure, 2 wrong usage.`);
  for (const subcommand of await commandsFor(COMMANDS, args)) command.addCommand(subcommand);
  return command;
}
