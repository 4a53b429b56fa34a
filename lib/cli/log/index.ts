// Owns the command `log`: its subcommands, in the order of its help.

import { Command } from 'commander';
import { commandsFor, type CommandTable } from '../commands.js';

const COMMANDS: CommandTable = {
  create: async () => (await import('./create.js')).createCommand(),
  info: async () => (await import('./info.js')).infoCommand(),
  append: async () => (await import('./append.js')).appendCommand(),
  cat: async () => (await import('./cat.js')).catCommand(),
  tail: async () => (await import('./cat.js')).tailCommand(),
  check: async () => (await import('./check.js')).checkCommand(),
};

/** The command, with the subcommands that `args` name, or with all. */
export async function logCommands(args: readonly string[]): Promise<Command> {
  const command = new Command('log')
    .description('Make, fill, read, follow and check durable logs on persistent memory')
    .addHelpText('after', '\nExit status: 0 success, 1 failure or damage, 2 wrong usage.');
  for (const subcommand of await commandsFor(COMMANDS, args)) command.addCommand(subcommand);
  return command;
}
