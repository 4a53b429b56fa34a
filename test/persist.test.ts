// What makes stores durable: the flushed lines, recorded by a program of its own; and the overrides.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { openSync } from 'node-dax';
import { scratchPath } from './helpers/devices.js';

t.test('every cache line that a write touches is flushed or streamed', (test) => {
  const program = join(__dirname, '..', '..', 'build', 'Release', 'persist_test');
  const { stdout, stderr, status } = spawnSync(program, { encoding: 'utf8' });
  test.equal(status, 0, stderr);
  test.match(stdout, /49344 invalidations, 16384 stores of data, 16384 of zeros/);
  test.end();
});

const PROGRAM = `
  const { openSync } = require('node-dax');
  const device = openSync(process.argv[1]);
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));
  device.writeSync(bytes, 13);
  device.zeroSync(50_000, 10_000);
  bytes.fill(0, 50_000 - 13, 60_000 - 13);
  const back = Buffer.alloc(bytes.length);
  device.readSync(back, 13);
  device.persist(0, device.size);
  device.deepFlush();
  console.log(JSON.stringify({ equal: back.equals(bytes), granularity: device.granularity, ...device.facts }));`;

function run(path: string, environment: NodeJS.ProcessEnv): { facts: Record<string, unknown>; stderr: string } {
  const env = { ...process.env, ...environment };
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', PROGRAM, path], { env, encoding: 'utf8' });
  return { facts: JSON.parse(stdout === '' ? '{}' : stdout) as Record<string, unknown>, stderr };
}

t.test('the environment variables for tests', (test) => {
  const path = scratchPath(test);
  openSync(path, { size: 200_000 }).closeSync();
  const cases: [NodeJS.ProcessEnv, object][] = [
    [{}, { granularity: 'page' }],
    [{ NODE_DAX_FORCE_GRANULARITY: 'byte' }, { granularity: 'byte' }],
    [{ NODE_DAX_FORCE_GRANULARITY: 'cache_line' }, { granularity: 'cache_line' }],
    [{ NODE_DAX_FORCE_GRANULARITY: 'page' }, { granularity: 'page' }],
  ];
  if (process.arch === 'x64') {
    const forced = { NODE_DAX_FORCE_GRANULARITY: 'cache_line' };
    cases.push(
      [{ ...forced, NODE_DAX_NO_CLWB: '1' }, { flushInstruction: /^clflush(opt)?$/ }],
      [{ ...forced, NODE_DAX_NO_CLWB: '1', NODE_DAX_NO_CLFLUSHOPT: '1' }, { flushInstruction: 'clflush' }],
      [{ ...forced, NODE_DAX_NO_MOVNT: '1' }, { streamThreshold: undefined }],
      [{ ...forced, NODE_DAX_MOVNT_THRESHOLD: '0' }, { streamThreshold: 0 }],
      [{ ...forced, NODE_DAX_MOVNT_THRESHOLD: '100000000' }, { streamThreshold: 100_000_000 }],
    );
  }
  for (const [environment, wanted] of cases) {
    const { facts, stderr } = run(path, environment);
    test.match(facts, { equal: true, ...wanted });
    const names = Object.keys(environment);
    test.equal(names.every((name) => stderr.includes(name)), true, `says that ${names.join()} is in force`);
    if (names.length === 0) test.equal(stderr, '');
  }
  const { stderr } = run(path, { NODE_DAX_FORCE_GRANULARITY: 'line' });
  test.match(stderr, /EINVAL.*NODE_DAX_FORCE_GRANULARITY must be byte, cache_line or page/);
  test.end();
});
