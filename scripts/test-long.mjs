// The long runs: a million random operations against a plain model, and a million against files of the kernel's in the guest.
// NODE_DAX_TEST_OPERATIONS asks for another number. Arguments go to `node-dax vm`.

import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const operations = process.env.NODE_DAX_TEST_OPERATIONS ?? '1000000';
const environment = { NODE_DAX_TEST_OPERATIONS: operations, NODE_DAX_ASSERT_LOCKS: '1', TAP_TIMEOUT: '7200' };

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...environment } });
  if (status !== 0) process.exitCode = 1;
}

run(join('dist', 'test', 'dax', 'model.test.js'));
const variables = Object.entries({ ...environment, NODE_DAX_TEST_REQUIRE: '1' }).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
const vm = ['vm', '--timeout', '7200', ...variables, ...process.argv.slice(2)];
run(join('dist', 'lib', 'cli', 'main.js'), ...vm, '--', process.execPath, join('dist', 'test', 'device', 'kernel-file.test.js'));
