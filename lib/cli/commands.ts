// Owns which commands are loaded: those that the arguments name, or all of them where they are to be listed.

import type { Command } from 'commander';

/** Commands by name, each with what loads its file and makes it. */
export type CommandTable = Readonly<Record<string, () => Promise<Command>>>;

// Those of commander's option for the version, which needs no command.
const VERSION: readonly string[] = ['-V', '--version'];

/** The commands of `table` whose names are among `args`. If none is: all of them, in order, unless only the version is asked for. */
export async function commandsFor(table: CommandTable, args: readonly string[]): Promise<Command[]> {
  const all = Object.entries(table);
  const named = all.filter(([name]) => args.includes(name));
  const isListed = named.length === 0 && !VERSION.some((option) => args.includes(option));
  return Promise.all((isListed ? all : named).map(([, load]) => load()));
}
