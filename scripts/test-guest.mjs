// Runs the device suites in guests, where every kind of device is; one that is missing there is a failure. Two guests share
// the work, each with devices of its own. Two more have other memory than armed NVDIMMs, for the suites that ask what memory is.
// A device suite lies in test/device/ or test/fault/, or is called guest.test.ts. Arguments go to `node-dax vm`: `npm run test:guest -- --accel tcg`.
// TAP_OUTPUT_FILE names a file for the TAP, as it does for tap. NODE_DAX_TEST_THOROUGH=1 takes every device where one of each kind
// does otherwise, all suites of test/device/ on other memory, and a guest with the volatile memory of CXL where QEMU has it (8.1).

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

const HMEM = fileOf('device/hmem');
// The first two need no device: `npm test` runs them. The third needs soft-reserved memory.
const NOT_SHARED = [...['fault/busy-owner', 'fault/native'].map(fileOf), HMEM];
const suites = readdirSync(join(root, 'dist', 'test'), { recursive: true })
  .filter((name) => /^(?:device|fault)\/.*\.test\.js$|(?:^|\/)guest\.test\.js$/.test(name))
  .map((name) => join('dist', 'test', name))
  .filter((file) => !NOT_SHARED.includes(file))
  // Those for a guest alone take longest. Guests that share the suites end together where the long ones are begun first.
  .sort((a, b) => Number(isForGuest(b)) - Number(isForGuest(a)) || (a < b ? -1 : 1));

function isForGuest(file) {
  return file.endsWith('guest.test.js');
}

// Other memory is a devdax of 4 KiB, which two guests have. It differs in what it promises and in how the kernel describes it.
const ON_OTHERS = ['device/open', 'device/durability', 'device/io', 'device/words', 'discovery/guest'].map(fileOf);
// These are for files with DAX, block devices, huge pages and pages that the kernel takes for bad: not for other memory.
const NOT_ON_OTHERS = ['dax-flag', 'huge-pages', 'mmap-dio', 'poison'].map((name) => fileOf(`device/${name}`));
const onOthers = THOROUGH
  ? [...suites.filter((file) => file.startsWith(join('dist', 'test', 'device')) && !NOT_ON_OTHERS.includes(file)), fileOf('discovery/guest')]
  : ON_OTHERS;
const hasCxlRam = () => /volatile-memdev/.test(spawnSync('qemu-system-x86_64', ['-device', 'cxl-type3,help'], { encoding: 'utf8' }).stdout ?? '');
// A guest cannot have a volatile range of the NFIT together with NVDIMMs. `device/hmem` comes last: it takes the device apart, and
// gives it to the kernel; a suite that ran after it once got ENXIO.
const OTHERS = [
  { devices: ['hmem', 'e820', 'unarmed', 'virtio-devdax', 'cxl-pmem'], files: [...onOthers, HMEM] },
  { devices: ['nfit-volatile'], files: onOthers },
  ...(THOROUGH && hasCxlRam() ? [{ devices: ['cxl-ram'], files: onOthers }] : []),
];

const total = { passed: 0, failed: 0, skipped: 0 };

// Suites for one guest, or for several with the same devices: each suite is run by the guest that claims it. `ended` are those that came to their end.
const share = (required, devices, files) => ({ required, devices, files, claims: mkdtempSync(join(tmpdir(), 'node-dax-claims-')), ended: new Set() });

// One guest, until it finds nothing more to claim. Resolves with its TAP.
async function runGuest({ required, devices, files, claims, ended }) {
  const { parser, counts, failures } = tapResults();
  parser.on('comment', (comment) => {
    const [, file, seconds] = /^# (\S+\.test\.js) (\d+) s$/.exec(comment.trim()) ?? [];
    if (file === undefined) return;
    ended.add(file);
    console.log(`${file} ${seconds} s${devices.length === 0 ? '' : ` on ${devices.join(', ')}`}`);
  });
  const guest = spawn(
    process.execPath,
    [
      join(root, 'dist', 'lib', 'cli', 'main.js'),
      ...['vm', '--timeout', TIME_LIMIT, '--cpus', '1', '--rw', claims],
      ...[`NODE_DAX_TEST_REQUIRE=${required}`, `NODE_DAX_TEST_CLAIMS=${claims}`, ...VARIABLES].flatMap((variable) => ['--env', variable]),
      ...devices.flatMap((device) => ['--device', device]),
      ...process.argv.slice(2),
      ...['--', process.execPath, join('scripts', 'run-suites.cjs'), ...files],
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

// Guests with one processor each run side by side, because a second processor in a guest is only another thread of the emulator. A
// suite mostly runs on one processor. Two emulated processors of one kernel discard their translated code whenever the other
// changes a mapping, and must lock what they change.
const atOnce = Math.min(2, availableParallelism());
const shared = share('1', [], suites);
const others = OTHERS.map(({ devices, files }) => share(devices.join(','), devices, files));
// Those that share come last: whichever begins later finds less to claim.
const waiting = [...others, ...Array.from({ length: atOnce }, () => shared)].values();
const guests = [];
await Promise.all(Array.from({ length: atOnce }, async () => {
  for (const work of waiting) guests.push(await runGuest(work));
}));
for (const { claims } of [shared, ...others]) rmSync(claims, { recursive: true });

if (process.env.TAP_OUTPUT_FILE) {
  const subtest = ({ tap, ok }, index) => {
    const lines = tap.split('\n').filter((line) => !line.startsWith('TAP version'));
    return `# Subtest: guest ${index + 1}\n${lines.map((line) => `    ${line}\n`).join('')}${ok ? 'ok' : 'not ok'} ${index + 1} - guest ${index + 1}\n`;
  };
  writeFileSync(process.env.TAP_OUTPUT_FILE, `TAP version 14\n${guests.map(subtest).join('')}1..${guests.length}\n`);
}
const missing = [shared, ...others].flatMap(({ files, ended }) => files.filter((file) => !ended.has(file)));
if (missing.length > 0) console.log(`\ndid not run to their end in the guest: ${missing.join(', ')}`);
console.log(`\nin the guest: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = guests.every(({ ok }) => ok) && total.passed > 0 && missing.length === 0 ? 0 : 1;
