// Runs test files in this process, one after the other: `require-suites.cjs FILE…`.
// No `--require`: threads inherit the options of the process, and would load every suite.

const { resolve } = require('node:path');

for (const file of process.argv.slice(2)) require(resolve(file));
