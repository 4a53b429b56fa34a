// Runs the suites, two at a time, and tells what failed and what was skipped: `npm test -- [--timeout SECONDS] [--without PATH]… [PATH…]`.
// A PATH is a test file or a folder of them in dist/test/, or any beginning of such a path; without one, all run.
// TAP_OUTPUT_FILE names a file for the TAP.
// tap's own runner has every process that a test starts, and every thread, keep a record of the files that it loads, for a
// measurement of coverage. That takes more time than the tests.

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runSuite } from './suite-process.mjs';
import { failureText, tapResults } from './tap-results.mjs';

const AT_ONCE = 2;
const SUITES = join('dist', 'test');
// The suites that wait longest begin first, so that none of them runs alone at the end.
const LONG = [/\/vm\/boot\./, /\/fuse\/judges\./, /\/bench\/command\./, /\/packaging\//];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { timeout: { type: 'string', default: '300' }, without: { type: 'string', multiple: true, default: [] } },
});
const under = (paths) => (file) => paths.some((path) => file.startsWith(path));
const rank = (file) => (LONG.findIndex((pattern) => pattern.test(file)) + LONG.length + 1) % (LONG.length + 1);
const files = readdirSync(SUITES, { recursive: true })
  .filter((name) => name.endsWith('.test.js'))
  .map((name) => join(SUITES, name))
  .filter((file) => (positionals.length === 0 || under(positionals)(file)) && !under(values.without)(file))
  .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
const unknown = positionals.filter((path) => !files.some(under([path])));
if (unknown.length > 0) {
  console.error(`node-dax: no suite is called ${unknown.join(' or ')}: they are in ${SUITES}/`);
  process.exit(2);
}

const { parser, counts, failures, skips } = tapResults();
const env = { NODE_DAX_ASSERT_LOCKS: '1', TAP_TIMEOUT: values.timeout, ...process.env };
const start = performance.now();
let tap = '';
let shown = 0;

function keep(text) {
  tap += text;
  parser.write(text);
}

// The parser tells of a failure when it has the line that follows.
function showFailures() {
  for (const failure of failures.slice(shown)) console.log(failureText(failure));
  shown = failures.length;
}

async function runNext(waiting) {
  for (const file of waiting) {
    const lines = [];
    const begun = performance.now();
    const ok = await runSuite(file, (line) => { lines.push(line); }, env);
    keep(`${lines.join('\n')}\n`);
    console.log(`${ok ? 'ok' : 'not ok'} ${file} ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    showFailures();
  }
}

keep('TAP version 14\n');
const waiting = files.values();
await Promise.all(Array.from({ length: AT_ONCE }, () => runNext(waiting)));
keep(`1..${files.length}\n`);
const complete = new Promise((resolve) => parser.on('complete', resolve));
parser.end();
await complete;
showFailures();

if (process.env.TAP_OUTPUT_FILE) writeFileSync(process.env.TAP_OUTPUT_FILE, tap);
for (const [reason, count] of skips) console.log(`skipped ${count}: ${reason}`);
console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped in ${Math.round((performance.now() - start) / 1000)} s`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
