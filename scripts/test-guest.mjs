// Runs the device suites in guests, where every kind of device is; one that is missing there is a failure. Two guests share
// the work, each with devices of its own. Those suites in which it matters what the memory is are run again in three
// guests with other memory than NVDIMMs in order; `npm run test:long` runs the others there: what a process does wrong, or ends with.
// A device suite lies in test/device/ or test/fault/, or is called guest.test.ts. Arguments go to `node-dax vm`: `npm run test:guest -- --accel tcg`.
// TAP_OUTPUT_FILE names a file for the TAP, as it does for tap.

import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { failureText, tapResults } from './tap-results.mjs';

const TIME_LIMIT = '3600';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const suites = readdirSync(join(root, 'dist', 'test'), { recursive: true })
  .filter((name) => /^(?:device|fault)\/.*\.test\.js$|(?:^|\/)guest\.test\.js$/.test(name))
  .map((name) => join('dist', 'test', name))
  .sort();

const ON_OTHERS = [
  ...['dax-io', 'demo', 'direct-access', 'driver', 'durability', 'ext2', 'famfs', 'io', 'lock', 'log', 'open', 'views', 'words'].map((name) => `device/${name}`),
  'discovery/guest',
];
// A volatile range of the NFIT cannot be beside NVDIMMs.
// `device/hmem` comes last: it takes the device apart, and gives it to the kernel; the suite that came after it once met ENXIO.
const OTHERS = [
  { devices: ['hmem', 'e820', 'unarmed', 'virtio-devdax'], names: [...ON_OTHERS, 'device/hmem'] },
  { devices: ['nfit-volatile'], names: ON_OTHERS },
  { devices: ['cxl-pmem'], names: ON_OTHERS },
];

const closed = [];
const total = { passed: 0, failed: 0, skipped: 0 };
const folders = [];

function claimsFolder() {
  folders.push(mkdtempSync(join(tmpdir(), 'node-dax-claims-')));
  return folders.at(-1);
}

// One guest, which runs those of `files` that no other with the same `claims` has begun. Resolves with its TAP.
async function runGuest({ claims, required, devices = [], files }) {
  const { parser, counts, failures } = tapResults((result, watched) => {
    if (watched !== parser) return;
    closed.push(result.name);
    console.log(`${result.ok ? 'ok' : 'not ok'} ${result.name} ${Math.round(result.time / 1000)} s`);
  });
  const guest = spawn(
    process.execPath,
    [
      join(root, 'dist', 'lib', 'cli', 'main.js'),
      ...['vm', '--timeout', TIME_LIMIT, '--rw', claims, '--env', `NODE_DAX_TEST_REQUIRE=${required}`, '--env', 'NODE_DAX_ASSERT_LOCKS=1', '--env', 'TAP_TIMEOUT=1200'],
      ...devices.flatMap((device) => ['--device', device]),
      ...process.argv.slice(2),
      ...['--', process.execPath, join('scripts', 'run-suites.mjs'), claims, ...files],
    ],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let tap = '';
  guest.stdout.setEncoding('utf8').on('data', (text) => { tap += text; });
  guest.stdout.pipe(parser);
  const [status] = await Promise.all([
    new Promise((resolve) => guest.on('close', resolve)),
    new Promise((resolve) => parser.on('complete', resolve)),
  ]);
  for (const failure of failures) console.log(failureText(failure));
  for (const key of Object.keys(total)) total[key] += counts[key];
  return { tap, ok: status === 0 && failures.length === 0 };
}

// The guest's processors are emulated by threads, and what a suite does mostly runs on one.
const atOnce = Math.min(2, availableParallelism());
const shared = { claims: claimsFolder(), required: '1', files: suites };
const guests = await Promise.all(Array.from({ length: atOnce }, () => runGuest(shared)));

// Each takes the next one.
const waiting = OTHERS.map(({ devices, names }) => () => {
  const files = names.map((name) => join('dist', 'test', `${name}.test.js`));
  return runGuest({ claims: claimsFolder(), required: devices.join(','), devices, files });
}).values();
await Promise.all(Array.from({ length: atOnce }, async () => {
  for (const run of waiting) guests.push(await run());
}));
for (const folder of folders) rmSync(folder, { recursive: true });

if (process.env.TAP_OUTPUT_FILE) {
  const subtest = ({ tap, ok }, index) => {
    const lines = tap.split('\n').filter((line) => !line.startsWith('TAP version'));
    return `# Subtest: guest ${index + 1}\n${lines.map((line) => `    ${line}\n`).join('')}${ok ? 'ok' : 'not ok'} ${index + 1} - guest ${index + 1}\n`;
  };
  writeFileSync(process.env.TAP_OUTPUT_FILE, `TAP version 14\n${guests.map(subtest).join('')}1..${guests.length}\n`);
}
const missing = suites.filter((suite) => !closed.some((name) => name.startsWith(suite)));
if (missing.length > 0) console.log(`\ndid not run to their end in the guest: ${missing.join(', ')}`);
console.log(`\nin the guest: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = guests.every(({ ok }) => ok) && total.passed > 0 && missing.length === 0 ? 0 : 1;
