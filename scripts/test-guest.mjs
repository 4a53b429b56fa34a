// Runs the device suites in guests, where every kind of device is; one that is missing there is a failure. Two guests share
// the work, each with devices of its own. The suites of test/device/ run again in three guests with other memory than armed NVDIMMs.
// A device suite lies in test/device/ or test/fault/, or is called guest.test.ts. Arguments go to `node-dax vm`: `npm run test:guest -- --accel tcg`.
// TAP_OUTPUT_FILE names a file for the TAP, as it does for tap. NODE_DAX_TEST_THOROUGH=1 takes every device where one of each kind
// does otherwise, and a fourth guest with the volatile memory of CXL where QEMU has it (8.1).

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { failureText, tapResults } from './tap-results.mjs';

const THOROUGH = process.env.NODE_DAX_TEST_THOROUGH === '1';
const TIME_LIMIT = THOROUGH ? '14400' : '3600';
// tap's time limit is one for all suites of a process.
const VARIABLES = ['NODE_DAX_ASSERT_LOCKS=1', ...(THOROUGH ? ['NODE_DAX_TEST_THOROUGH=1', 'TAP_TIMEOUT=7200'] : ['TAP_TIMEOUT=3600'])];

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const fileOf = (name) => join('dist', 'test', `${name}.test.js`);

// These need no device: `npm test` runs them.
const ON_HOST = ['fault/busy-owner', 'fault/native'].map(fileOf);
const suites = readdirSync(join(root, 'dist', 'test'), { recursive: true })
  .filter((name) => /^(?:device|fault)\/.*\.test\.js$|(?:^|\/)guest\.test\.js$/.test(name))
  .map((name) => join('dist', 'test', name))
  .filter((file) => !ON_HOST.includes(file))
  .sort();

const HMEM = fileOf('device/hmem');
// These are for files with DAX, block devices, huge pages and pages that the kernel takes for bad: other memory is a devdax of 4 KiB alone.
const NOT_ON_OTHERS = [...['dax-flag', 'huge-pages', 'mmap-dio', 'poison'].map((name) => fileOf(`device/${name}`)), HMEM];
// In one process: none takes long.
const ON_OTHERS = [
  ...suites.filter((file) => file.startsWith(join('dist', 'test', 'device')) && !NOT_ON_OTHERS.includes(file)),
  fileOf('discovery/guest'),
].join(',');
const hasCxlRam = () => /volatile-memdev/.test(spawnSync('qemu-system-x86_64', ['-device', 'cxl-type3,help'], { encoding: 'utf8' }).stdout ?? '');
// A volatile range of the NFIT cannot be beside NVDIMMs.
// `device/hmem` comes last: it takes the device apart, and gives it to the kernel; the suite that came after it once met ENXIO.
const OTHERS = [
  { devices: ['hmem', 'e820', 'unarmed', 'virtio-devdax'], files: [ON_OTHERS, HMEM] },
  { devices: ['nfit-volatile'], files: [ON_OTHERS] },
  { devices: ['cxl-pmem'], files: [ON_OTHERS] },
  ...(THOROUGH && hasCxlRam() ? [{ devices: ['cxl-ram'], files: [ON_OTHERS] }] : []),
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
      ...['vm', '--timeout', TIME_LIMIT, '--rw', claims],
      ...[`NODE_DAX_TEST_REQUIRE=${required}`, ...VARIABLES].flatMap((variable) => ['--env', variable]),
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
const waiting = OTHERS.map(({ devices, files }) => () => runGuest({ claims: claimsFolder(), required: devices.join(','), devices, files })).values();
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
