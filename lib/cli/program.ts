// Owns the program `node-dax`: which commands it has, and what the end of one becomes: an exit status by one rule for all.

import { Command, CommanderError } from 'commander';
import { commandsFor, type CommandTable } from './commands.js';
import { Interruption } from './interruption.js';
import { packageVersion } from './version.js';

const COMMANDS: CommandTable = {
  list: async () => (await import('./list.js')).listCommand(),
  doctor: async () => (await import('./doctor.js')).doctorCommand(),
  demo: async () => (await import('./demo.js')).demoCommand(),
  bench: async () => (await import('./bench/index.js')).benchCommand(),
  vm: async () => (await import('./vm.js')).vmCommand(),
  ext2: async () => (await import('./ext2/index.js')).ext2Command(process.argv),
  famfs: async () => (await import('./famfs/index.js')).famfsCommands(process.argv),
  log: async () => (await import('./log/index.js')).logCommands(process.argv),
};

const EXIT_STATUSES = `Exit status of every command: 0 fine, 1 failed (or found what it looks for to be wrong), 2 wrong usage,
128 and the number of a signal that ended it (Ctrl-C: 130, SIGTERM: 143). That of vm is its command's.`;

function adopt(parent: Command, command: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) adopt(command, child);
}

/** Runs what `process.argv` asks for, prints, and sets `process.exitCode` where it is not 0. */
export async function runProgram(): Promise<void> {
  const program = new Command('node-dax')
    .description('Persistent memory for Node.js: what this machine has, why it is or is not DAX, and how fast it is')
    .version(packageVersion())
    .addHelpText('after', `
${EXIT_STATUSES}`)
    .showHelpAfterError('(--help shows the usage)')
    .exitOverride();
  try {
    for (const command of await commandsFor(COMMANDS, process.argv)) {
      adopt(program, command);
      program.addCommand(command);
    }
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    console.error(`node-dax: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = error instanceof Interruption ? error.exitStatus : 1;
  }
}
