// Prints how many assertions of a TAP file passed, failed and were skipped: `count-tap.mjs FILE`.

import { readFileSync } from 'node:fs';
import { tapResults } from './tap-results.mjs';

const { parser, counts } = tapResults();
parser.end(readFileSync(process.argv[2], 'utf8'));
console.log(counts.passed, counts.failed, counts.skipped);
