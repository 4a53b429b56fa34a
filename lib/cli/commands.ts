// Owns the choice of commands to load: those that the arguments name, or all of them if they are to be listed.

import type { Command } from 'commander';

/** Commands by name, each with a function that loads its file and makes it. */
export type CommandTable = Readonly<Record<string, () => Promise<Command>>>;

// Commander's names for the version option, which needs no command loaded.
const VERSION: readonly string[] = ['-V', '--version'];

/**
 * The commands of `table` whose names are among `args`. If there are none: all commands, in order, unless the version is asked for.
 */
export async function commandsFor(table: CommandTable, args: readonly string[]): Promise<Command[]> {
  const all = Object.entries(table);
  const named = all.filter(([name]) => args.includes(name));
  const isListed = named.length === 0 && !VERSION.some((option) => args.includes(option));
  return Promise.all((isListed ? all : named).map(([, load]) => load()));
}
