// Runs the device suites in the guest, where every kind of device is; one that is missing there is a failure.
// A device suite lies in test/device/ or test/fault/, or is called guest.test.ts. Arguments go to `node-dax vm`: `npm run test:guest -- --accel tcg`.
// TAP_OUTPUT_FILE names a file for the TAP, as it does for tap.

import { spawn } from 'node:child_process';
import { createWriteStream, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { tapResults } from './tap-results.mjs';

const TIME_LIMIT = '3600';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const suites = readdirSync(join(root, 'dist', 'test'), { recursive: true })
  .filter((name) => /^(?:device|fault)\/.*\.test\.js$|(?:^|\/)guest\.test\.js$/.test(name))
  .map((name) => join('dist', 'test', name))
  .sort();

function print({ fullname, diag }) {
  console.log(`\nnot ok: ${fullname}`);
  for (const [key, value] of Object.entries(diag ?? {})) {
    const text = (typeof value === 'string' ? value : inspect(value, { depth: null })).trimEnd();
    console.log(`  ${key}: ${(text.includes('\n') ? `\n${text}` : text).replaceAll('\n', '\n    ')}`);
  }
}

const closed = [];
const { parser, counts, failures } = tapResults((result, watched) => {
  if (watched !== parser) return;
  closed.push(result.name);
  console.log(`${result.ok ? 'ok' : 'not ok'} ${result.name} ${Math.round(result.time / 1000)} s`);
});

const guest = spawn(
  process.execPath,
  [
    join(root, 'dist', 'lib', 'cli', 'main.js'),
    ...['vm', '--timeout', TIME_LIMIT, '--env', 'NODE_DAX_TEST_REQUIRE=1', '--env', 'NODE_DAX_ASSERT_LOCKS=1', '--env', 'TAP_TIMEOUT=600', ...process.argv.slice(2)],
    ...['--', process.execPath, join('scripts', 'run-suites.mjs'), ...suites],
  ],
  { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
);
if (process.env.TAP_OUTPUT_FILE) guest.stdout.pipe(createWriteStream(process.env.TAP_OUTPUT_FILE));
guest.stdout.pipe(parser);

const [status] = await Promise.all([
  new Promise((resolve) => guest.on('close', resolve)),
  new Promise((resolve) => parser.on('complete', resolve)),
]);

failures.forEach(print);
const missing = suites.filter((suite) => !closed.some((name) => name.startsWith(suite)));
if (missing.length > 0) console.log(`\ndid not run to their end in the guest: ${missing.join(', ')}`);
console.log(`\nin the guest: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = status === 0 && counts.failed === 0 && counts.passed > 0 && missing.length === 0 ? 0 : 1;
