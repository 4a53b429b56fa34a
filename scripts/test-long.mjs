// The long runs, which take hours: every suite with as many rounds, seeds and files as it has (`amount` of test/helpers/thorough.ts); the suites that
// random numbers drive, each with far more of them; ext2's suites on every driver; and last the suites of devices in guests, on every device. A NODE_DAX_TEST_ variable of the environment replaces the number below that
// goes with it. Arguments go to `node-dax vm`.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const environment = { NODE_DAX_ASSERT_LOCKS: '1', NODE_DAX_TEST_LONG: '1', NODE_DAX_TEST_THOROUGH: '1', TAP_TIMEOUT: '7200' };
const operations = (fallback) => ({ NODE_DAX_TEST_OPERATIONS: process.env.NODE_DAX_TEST_OPERATIONS ?? fallback });

function run(args, variables = {}) {
  const env = { ...process.env, ...environment, ...variables };
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env });
  if (status !== 0) process.exitCode = 1;
}

run([join('scripts', 'test.mjs'), '--timeout', '7200', '--without', join('dist', 'test', 'packaging')]);
run([join('dist', 'test', 'dax', 'model.test.js')], operations('1000000'));
run([join('dist', 'test', 'testkit', 'tiny-fs.test.js')], { NODE_DAX_TEST_FSX: process.env.NODE_DAX_TEST_FSX ?? '100000' });
const faults = { NODE_DAX_TEST_ROUNDS: process.env.NODE_DAX_TEST_ROUNDS ?? '10000', NODE_DAX_TEST_SECONDS: process.env.NODE_DAX_TEST_SECONDS ?? '60' };
run([join('dist', 'test', 'fault', 'races.test.js')], faults);
run([join('dist', 'test', 'fault', 'stress.test.js')], faults);
run([join('dist', 'test', 'fault', 'busy-owner.test.js')], { NODE_DAX_TEST_MINUTE: '1' });
run([join('dist', 'test', 'drivers', 'filesystems.test.js')], { NODE_DAX_TEST_DRIVERS: 'all' });
const ext2Suites = readdirSync(join(root, 'dist', 'test', 'ext2')).filter((name) => name.endsWith('.test.js')).map((name) => join('dist', 'test', 'ext2', name));
for (const driver of ['pass-through', 'linear', 'striped', 'axonram', 'faulty', 'brd', 'dcssblk']) {
  for (const suite of ext2Suites) run([suite], { NODE_DAX_TEST_ON_DRIVER: driver });
}
const images = (fallback) => ({ NODE_DAX_TEST_IMAGES: process.env.NODE_DAX_TEST_IMAGES ?? fallback });
for (const suite of ['crash', 'recorded-crash']) run([join('dist', 'test', 'log', `${suite}.test.js`)], images('100000'));
for (const suite of ['crash', 'crash-blocks']) run([join('dist', 'test', 'ext2', `${suite}.test.js`)], images('20000'));
run([join('dist', 'test', 'log', 'model.test.js')], { NODE_DAX_TEST_RECORDS: process.env.NODE_DAX_TEST_RECORDS ?? '10000000' });
const readers = { NODE_DAX_TEST_ROUNDS: process.env.NODE_DAX_TEST_ROUNDS ?? '1000', NODE_DAX_TEST_SECONDS: process.env.NODE_DAX_TEST_SECONDS ?? '60' };
run([join('dist', 'test', 'log', 'readers.test.js')], readers);
run([join('dist', 'test', 'ext2', 'model.test.js')], operations('1000000'));
run([join('dist', 'test', 'ext2', 'many.test.js')], operations('2000000'));
run([join('dist', 'test', 'fs', 'overload.test.js')], { NODE_DAX_TEST_OVERLOAD: 'all' });
run([join('dist', 'test', 'fs', 'walk.test.js')], { NODE_DAX_TEST_SEED: process.env.NODE_DAX_TEST_SEED ?? String(Date.now() % 0xffffffff) });
run([join('dist', 'test', 'fuse', 'judges.test.js')], { NODE_DAX_TEST_STRESSORS: 'all' });
run([join('dist', 'test', 'fuse', 'random.test.js')], { NODE_DAX_TEST_MINUTES: process.env.NODE_DAX_TEST_MINUTES ?? '60' });
run([join('dist', 'test', 'ext2', 'fuzz.test.js')], images('100000'));
const kernelFile = join('dist', 'test', 'device', 'kernel-file.test.js');
run([kernelFile], operations('200000'));
const inGuest = { ...environment, ...operations('100000'), NODE_DAX_TEST_REQUIRE: '1' };
const variables = Object.entries(inGuest).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
const vm = ['vm', '--timeout', '7200', ...variables, ...process.argv.slice(2)];
run([join('dist', 'lib', 'cli', 'main.js'), ...vm, '--', process.execPath, kernelFile]);
run([join('scripts', 'test-guest.mjs'), ...process.argv.slice(2)]);
