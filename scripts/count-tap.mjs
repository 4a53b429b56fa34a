// Prints how many assertions of a TAP file passed, failed and were skipped: `count-tap.mjs FILE`.
// The failures, and the reasons of what was skipped, go to standard error.

import { readFileSync } from 'node:fs';
import { failureText, tapResults } from './tap-results.mjs';

const { parser, counts, failures, skips } = tapResults();
parser.end(readFileSync(process.argv[2], 'utf8'));
for (const failure of failures) console.error(failureText(failure));
for (const [reason, count] of skips) console.error(`skipped ${count}: ${reason}`);
console.log(counts.passed, counts.failed, counts.skipped);
