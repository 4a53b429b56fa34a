// What a process as a whole meets: its end at any point, a page lost under a flush, a SIGBUS that is not ours.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { openSync } from 'node-dax';
import { scratchPath } from './helpers/devices.js';
import { sample } from './helpers/thorough.js';

const MIB = 1024 * 1024;

// An emulated processor need not touch the memory that it is told to flush.
const flushes = process.arch === 'x64' && !readFileSync('/proc/cpuinfo', 'latin1').includes('TCG');

t.test('every way out of a process', (test) => {
  const path = scratchPath(test, '/dev/shm');
  openSync(path, { size: 32 * MIB }).closeSync();
  const steps = [
    `const { openSync } = require('node-dax');`,
    `const device = openSync(process.argv[1]);`,
    `const view = device.view(); view[0] = 1;`,
    `const reading = device.read(Buffer.alloc(32 << 20), 0);`,
    `const closing = device.close();`,
    `closing.then(() => reading);`,
  ];
  const ways = steps.flatMap((_step, index) => ['', 'process.exit(0);'].map((exit) => ({ count: index + 1, exit })));
  for (const { count, exit } of sample(ways, 3)) {
    const { status, signal, stderr } = spawnSync(process.execPath, ['-e', [...steps.slice(0, count), exit].join('\n'), path], { encoding: 'utf8' });
    test.strictSame({ status, signal, stderr }, { status: 0, signal: null, stderr: '' }, `${count} steps ${exit}`);
  }
  test.end();
});

t.test('flushing a lost page', { skip: flushes ? false : 'this processor flushes without looking' }, (test) => {
  const path = scratchPath(test, '/dev/shm');
  const program = `
    const { openSync } = require('node-dax');
    const device = openSync(process.argv[1], { size: 8192 });
    device.view().fill(1);
    require('node:fs').truncateSync(process.argv[1], 4096);
    device.persist(0, 4096);
    try { device.persist(0, 8192); } catch (error) { console.log(error.code); }`;
  const env = { ...process.env, NODE_DAX_FORCE_GRANULARITY: 'cache_line', NODE_NO_WARNINGS: '1' };
  const { stdout, status } = spawnSync(process.execPath, ['-e', program, path], { env, encoding: 'utf8' });
  test.strictSame({ stdout, status }, { stdout: 'EIO\n', status: 0 });
  test.end();
});

t.test('a SIGBUS that is not ours ends the process as ever', (test) => {
  const program = `require('node-dax').openSync(process.argv[1], { size: 1 }); process.kill(process.pid, 'SIGBUS'); setInterval(() => 0, 1000)`;
  const { signal } = spawnSync(process.execPath, ['-e', program, scratchPath(test)], { timeout: 20_000 });
  test.equal(signal, 'SIGBUS');
  test.end();
});
