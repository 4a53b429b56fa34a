// Prints how many assertions of a TAP file passed, failed and were skipped: `count-tap.mjs FILE`.
// The reasons of the skipped ones go to standard error.

import { readFileSync } from 'node:fs';
import { tapResults } from './tap-results.mjs';

const { parser, counts, skips } = tapResults();
parser.end(readFileSync(process.argv[2], 'utf8'));
for (const [reason, count] of skips) console.error(`skipped ${count}: ${reason}`);
console.log(counts.passed, counts.failed, counts.skipped);
