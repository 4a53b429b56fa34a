#!/usr/bin/env node
// Owns the process `node-dax`: it runs the program once.

import { runProgram } from './program.js';

// Whoever reads the output may stop early: `node-dax list | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

void runProgram();
