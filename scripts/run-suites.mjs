// Runs test files one after the other and writes one TAP stream: `run-suites.mjs CLAIMS FILE[,FILE…]…`. Files with commas between
// them share a process, which takes an emulated machine many seconds to start.
// CLAIMS is a folder that several runs share, on whatever machine: each file is run by the one that claims it there.
// tap's own runner does more (plugins, reporters, parallel files), which costs an emulated machine more than the tests;
// and the suites that run here share their devices.
// NODE_DAX_TEST_NODE: what runs a file in place of this Node, an emulator and its arguments perhaps.

import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const [node, ...flags] = process.env.NODE_DAX_TEST_NODE?.split(' ') ?? [process.execPath];

const together = join(dirname(fileURLToPath(import.meta.url)), 'require-suites.cjs');

async function runSuites(files, number) {
  const name = files.join(', ');
  console.log(`# Subtest: ${name}`);
  const start = performance.now();
  const child = spawn(node, [...flags, ...(files.length > 1 ? [together] : []), ...files], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => {
    child.on('error', (error) => { resolve(error.message); });
    child.on('close', (status, signal) => { resolve(signal ?? (status === 0 ? '' : `exit status ${status}`)); });
  });
  let points = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (/^\s*(?:not )?ok\b|^1\.\.0 # skip/i.test(line)) points++;
    // A version line belongs to the top of a stream alone.
    if (!line.startsWith('TAP version')) console.log(line === '' ? '' : `    ${line}`);
  }
  const failure = (await ended) || (points === 0 ? 'it ran no test' : '');
  const time = `# time=${Math.round(performance.now() - start)}ms`;
  console.log(`${failure === '' ? 'ok' : 'not ok'} ${number} - ${name} ${time}`);
  if (failure !== '') console.log(`  ---\n  error: ${JSON.stringify(failure)}\n  ...`);
  return failure === '';
}

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
  if (claim(claims, files[0]) && !(await runSuites(files, ++count))) process.exitCode = 1;
}
console.log(`1..${count}`);
