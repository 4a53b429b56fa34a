// Runs test files one after the other in this process and writes one TAP stream: `run-suites.cjs FILE…`. NODE_DAX_TEST_CLAIMS: a
// folder that several runs share, on whatever machine. Each file is run by the one that claims it there. Loading tap and starting
// the suites' threads takes longer than running many of the suites, above all on an emulated machine. Here the suites share both.

const { once } = require('node:events');
const { mkdirSync } = require('node:fs');
const { join, resolve } = require('node:path');
const { performance } = require('node:perf_hooks');

const files = process.argv.slice(2);
// tap names its folders after the program and the arguments. All of the arguments would make too long a name, and this program's
// path alone would be the same for several processes.
process.argv.splice(1, Infinity, files[0]);
const claims = process.env.NODE_DAX_TEST_CLAIMS;

const t = require('tap');

function claim(file) {
  if (claims === undefined) return true;
  try {
    mkdirSync(join(claims, file.replaceAll('/', '.')));
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

async function runSuite(file) {
  const start = performance.now();
  const { count } = t;
  require(resolve(file));
  if (!t.idle) await once(t, 'idle');
  if (t.count === count) t.fail(`${file} has no test`);
  // The time limit that a suite has set is one for the process.
  t.setTimeout(0);
  t.comment(`${file} ${Math.round((performance.now() - start) / 1000)} s`);
}

async function main() {
  for (const file of files) if (claim(file)) await runSuite(file);
}

void main();
