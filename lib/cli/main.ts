#!/usr/bin/env node
// The command line `node-dax`: one file a command, exit status 0 (fine), 1 (failed) or 2 (wrong usage).

import { Command, CommanderError } from 'commander';
import { benchCommand } from './bench.js';
import { demoCommand } from './demo.js';
import { doctorCommand } from './doctor.js';
import { listCommand } from './list.js';
import { vmCommand } from './vm.js';

const program = new Command('node-dax')
  .description('Persistent memory for Node.js: what this machine has, why it is or is not DAX, and how fast it is')
  .showHelpAfterError('(--help shows the usage)')
  .exitOverride();

for (const command of [listCommand(), doctorCommand(), demoCommand(), benchCommand(), vmCommand()]) {
  program.addCommand(command.copyInheritedSettings(program));
}

async function main(): Promise<void> {
  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    console.error(`node-dax: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}

// Whoever reads the output may stop early: `node-dax list | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

void main();
