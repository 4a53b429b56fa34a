// Runs test files one after the other and writes one TAP stream: `run-suites.mjs CLAIMS FILE[,FILE…]…`. Files with commas between
// them share a process, which takes an emulated machine many seconds to start.
// CLAIMS is a folder that several runs share, on whatever machine: each file is run by the one that claims it there.
// One at a time, because the suites that run here share their devices.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { runSuite } from './suite-process.mjs';

function claim(folder, file) {
  try {
    mkdirSync(join(folder, file.replaceAll('/', '.')));
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

const [claims, ...groups] = process.argv.slice(2);
let count = 0;
console.log('TAP version 14');
for (const group of groups) {
  const files = group.split(',');
  if (!claim(claims, files[0])) continue;
  count++;
  if (!(await runSuite(files, (line) => { console.log(line); }))) process.exitCode = 1;
}
console.log(`1..${count}`);
