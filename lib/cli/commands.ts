// Owns which commands are loaded: those that the arguments name, or all of them where they are to be listed.

import type { Command } from 'commander';

/** Commands by name, each with what loads its file and makes it. */
export type CommandTable = Readonly<Record<string, () => Promise<Command>>>;

/** The commands of `table` whose names are among `args`; all of them, in order, if none is. */
export async function commandsFor(table: CommandTable, args: readonly string[]): Promise<Command[]> {
  const all = Object.entries(table);
  const named = all.filter(([name]) => args.includes(name));
  return Promise.all((named.length > 0 ? named : all).map(([, load]) => load()));
}
