// Runs the suites, two at a time, and tells what failed and what was skipped: `npm test -- [--timeout SECONDS] [--without PATH]… [PATH…]`.
// A PATH is a test file or a folder of them in dist/test/, or any beginning of such a path; without one, all run.
// TAP_OUTPUT_FILE names a file for the TAP.
// tap's own runner has every process that a test starts, and every thread, keep a record of the files that it loads, for a
// measurement of coverage. That takes more time than the tests.

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runSuites } from './suite-process.mjs';
import { failureText, tapResults } from './tap-results.mjs';

const AT_ONCE = 2;
const SUITES = join('dist', 'test');
// The suites that take longest begin first, so none of them runs alone at the end.
const LONG = [
  /\/vm\/boot\./,
  /\/fuse\/judges\./,
  /\/bench\/command\./,
  /\/packaging\/packaging\./,
  /\/ext2\/(?:crash|kit)\./,
  /\/testkit\/testkit\./,
];
// Suites that take less time than starting a process with tap and the package, or not much more. The suites of each line share one
// process. None of them sets up or counts anything that belongs to the whole process.
const TOGETHER = [
  /\/guest\.test/,
  /\/device\/(?!durability|hostile-use|lifetime)/,
  /\/fault\/(?!limits|stress)/,
  /\/dax\/(?!locks|lock-order|reflink)/,
  /\/cli\/(?:completion|discovery|famfs|log|makeable|program|ext2-(?:change|damaged|identity|partition|several))\.test/,
  /\/(?:discovery|drivers)\/(?!filesystems)/,
  /\/(?:bench\/(?!command|page|targets|unchanged)|vm\/(?:notation|qemu|stages|stream|usage))/,
  /\/ext2\/(?!closing|crash|exit|interop|inode|kit|mount-lock|oracle|pointer-tree|times)/,
  /\/ext2\/(?:closing|inode-table|oracle|pointer-tree|times)\.test/,
  /\/famfs\/(?!crash|kit)/,
  /\/fs\/(?!fs|overlap|sweep)/,
  /\/fuse\/(?:any-filesystem|famfs|random)\.test/,
  /\/log\//,
  /\/(?:cures|testkit)\/(?!testkit|tiny-fs)/,
  /\/(?:packaging\/(?:clients|nodes|vfs)|test\/(?:argument-kinds|checksum|descriptor|direct-io|errors|options|rules|small-files|statements))\.test/,
];

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

const groups = [];
for (const file of files) {
  const kind = TOGETHER.find((pattern) => pattern.test(file));
  const others = kind && groups.find(([first]) => kind.test(first));
  if (others) others.push(file);
  else groups.push([file]);
}

const { parser, counts, failures, skips } = tapResults();
// The suites have many images in memory, each of megabytes that are touched once. The C library asks for huge pages for them: one
// page fault in place of 512, each of which takes tens of microseconds in a virtual machine.
const HUGE_PAGES = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' };
const env = { ...HUGE_PAGES, NODE_DAX_ASSERT_LOCKS: '1', TAP_TIMEOUT: values.timeout, ...process.env };
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
  for (const group of waiting) {
    const lines = [];
    const begun = performance.now();
    const ok = await runSuites(group, (line) => { lines.push(line); }, env);
    keep(`${lines.join('\n')}\n`);
    console.log(`${ok ? 'ok' : 'not ok'} ${group.join(' ')} ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    showFailures();
  }
}

keep('TAP version 14\n');
const waiting = groups.values();
await Promise.all(Array.from({ length: AT_ONCE }, () => runNext(waiting)));
keep(`1..${groups.length}\n`);
const complete = new Promise((resolve) => parser.on('complete', resolve));
parser.end();
await complete;
showFailures();

if (process.env.TAP_OUTPUT_FILE) writeFileSync(process.env.TAP_OUTPUT_FILE, tap);
for (const [reason, count] of skips) console.log(`skipped ${count}: ${reason}`);
console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped in ${Math.round((performance.now() - start) / 1000)} s`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
