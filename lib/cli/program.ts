// Owns the program `node-dax`: its commands, and the exit status of each by one rule for all.

import { Command, CommanderError } from 'commander';
import { commandsFor, type CommandTable } from './commands.js';
import { Interruption } from './interruption.js';
import { packageVersion } from './version.js';

// The loaders of the commands. They load the subcommands that `args` name, or all.
const commands = (args: readonly string[]): CommandTable => ({
  list: async () => (await import('./list.js')).listCommand(),
  doctor: async () => (await import('./doctor.js')).doctorCommand(),
  demo: async () => (await import('./demo.js')).demoCommand(),
  bench: async () => (await import('./bench/index.js')).benchCommand(),
  vm: async () => (await import('./vm/index.js')).vmCommand(),
  mount: async () => (await import('./mount/mount.js')).mountCommand(),
  umount: async () => (await import('./mount/umount.js')).umountCommand(),
  ext2: async () => (await import('./ext2/index.js')).ext2Command(args),
  famfs: async () => (await import('./famfs/index.js')).famfsCommands(args),
  log: async () => (await import('./log/index.js')).logCommands(args),
  completion: async () => (await import('./completion.js')).completionCommand(() => programFor([])),
});

const EXIT_STATUSES = `Exit status of every command: 0 success, 1 failure (or errors that a check has found), 2 wrong usage,
128 plus the number of a signal that ended it (Ctrl-C: 130, SIGTERM: 143). vm has the status of its command.`;

function adopt(parent: Command, command: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) adopt(command, child);
}

/** The program with the commands that `args` name, or with all commands if they name none. */
async function programFor(args: readonly string[]): Promise<Command> {
  const program = new Command('node-dax')
    .description('Persistent memory for Node.js: what this machine has, why it is or is not DAX, and how fast it is')
    .version(packageVersion())
    .addHelpText('after', `\n${EXIT_STATUSES}`)
    .showHelpAfterError('(--help shows the usage)')
    .exitOverride();
  for (const command of await commandsFor(commands(args), args)) {
    adopt(program, command);
    program.addCommand(command);
  }
  return program;
}

/** Runs the command of `process.argv`, prints, and sets `process.exitCode` if it is not 0. */
export async function runProgram(): Promise<void> {
  try {
    const program = await programFor(process.argv);
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
