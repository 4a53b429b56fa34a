#!/usr/bin/env node
// Owns the process `node-dax`: it runs the program once.

import nodeModule from 'node:module';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { endWithOutput } from './output.js';
import { runProgram } from './program.js'; // late

// Node 22 and later keep compiled code, so the next start need not compile the program again. The home directory comes from the
// list of users, not from HOME, which another user may have set: in a directory that others can write to, they could place code for
// this process to run.
function keepCompiled(): void {
  const { enableCompileCache } = nodeModule as { enableCompileCache?: (folder: string) => unknown };
  if (enableCompileCache === undefined) return;
  try {
    enableCompileCache(join(userInfo().homedir, '.cache', 'node-dax', 'compiled'));
  } catch {
    // A user without an entry in the list of users has no home directory.
  }
}

keepCompiled();
endWithOutput();
void runProgram();
