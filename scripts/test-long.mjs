// The long runs: a million random operations against a plain model, fsx with 100 000, 10 000 rounds of each race of page
// faults, a minute of threads against a file that changes under them, an owner that blocks for one, 200 000 operations on ext2 against a model of a tree,
// 100,000 images of a power cut in a log and 20,000 in ext2, 1000 writers of a log killed, 300 000 on many files in each size of its caches, 100 000 corrupt images of ext2, all of stress-ng's stressors of filesystems on a mount, 200 000 operations against files of the
// kernel's here, and as many as an emulated machine makes
// in a quarter of an hour in the guest; the test kit and ext2's suites on every driver, and 10,000 devices unplugged while they are in use; and the suites of devices in guests, each on every
// device, with the volatile memory of CXL where QEMU (8.1) and the kernel (6.3) have it. The NODE_DAX_TEST_ variables below ask
// for other numbers. Arguments go to `node-dax vm`.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const environment = { NODE_DAX_ASSERT_LOCKS: '1', NODE_DAX_TEST_THOROUGH: '1', TAP_TIMEOUT: '7200' };
const operations = (fallback) => ({ NODE_DAX_TEST_OPERATIONS: process.env.NODE_DAX_TEST_OPERATIONS ?? fallback });

function run(args, variables = {}) {
  const env = { ...process.env, ...environment, ...variables };
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env });
  if (status !== 0) process.exitCode = 1;
}

run([join('dist', 'test', 'dax', 'model.test.js')], operations('1000000'));
run([join('dist', 'test', 'testkit', 'tiny-fs.test.js')], { NODE_DAX_TEST_FSX: process.env.NODE_DAX_TEST_FSX ?? '100000' });
const faults = { NODE_DAX_TEST_ROUNDS: process.env.NODE_DAX_TEST_ROUNDS ?? '10000', NODE_DAX_TEST_SECONDS: process.env.NODE_DAX_TEST_SECONDS ?? '60' };
run([join('dist', 'test', 'fault', 'races.test.js')], faults);
run([join('dist', 'test', 'fault', 'stress.test.js')], faults);
run([join('dist', 'test', 'fault', 'busy-owner.test.js')], { NODE_DAX_TEST_MINUTE: '1' });
run([join('dist', 'test', 'drivers', 'filesystems.test.js')], { NODE_DAX_TEST_DRIVERS: 'all' });
const ext2Suites = readdirSync(join(root, 'dist', 'test', 'ext2')).filter((name) => name.endsWith('.test.js')).map((name) => join('dist', 'test', 'ext2', name));
for (const driver of ['pass-through', 'linear', 'striped', 'axonram', 'faulty']) {
  for (const suite of ext2Suites) run([suite], { NODE_DAX_TEST_ON_DRIVER: driver });
}
run([join('dist', 'test', 'drivers', 'unplug.test.js')], { NODE_DAX_TEST_ROUNDS: process.env.NODE_DAX_TEST_ROUNDS ?? '10000' });
const images = (fallback) => ({ NODE_DAX_TEST_IMAGES: process.env.NODE_DAX_TEST_IMAGES ?? fallback });
run([join('dist', 'test', 'log', 'crash.test.js')], images('100000'));
for (const suite of ['crash', 'crash-blocks']) run([join('dist', 'test', 'ext2', `${suite}.test.js`)], images('20000'));
run([join('dist', 'test', 'log', 'readers.test.js')], { NODE_DAX_TEST_ROUNDS: process.env.NODE_DAX_TEST_ROUNDS ?? '1000' });
run([join('dist', 'test', 'ext2', 'model.test.js')], operations('200000'));
run([join('dist', 'test', 'ext2', 'many.test.js')], operations('300000'));
run([join('dist', 'test', 'fs', 'walk.test.js')], { NODE_DAX_TEST_SEED: process.env.NODE_DAX_TEST_SEED ?? String(Date.now() % 0xffffffff) });
run([join('dist', 'test', 'fuse', 'judges.test.js')], { NODE_DAX_TEST_STRESSORS: 'all' });
run([join('dist', 'test', 'ext2', 'fuzz.test.js')], images('100000'));
const kernelFile = join('dist', 'test', 'device', 'kernel-file.test.js');
run([kernelFile], operations('200000'));
const inGuest = { ...environment, ...operations('100000'), NODE_DAX_TEST_REQUIRE: '1' };
const variables = Object.entries(inGuest).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
const vm = ['vm', '--timeout', '7200', ...variables, ...process.argv.slice(2)];
run([join('dist', 'lib', 'cli', 'main.js'), ...vm, '--', process.execPath, kernelFile]);
run([join('scripts', 'test-guest.mjs'), ...process.argv.slice(2)]);
