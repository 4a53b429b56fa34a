// What is told of the machine, and the warnings that it deserves: each where it should be, and not where it should not.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { DEFAULTS, type Job } from '../../lib/bench/jobs/job.js';
import { frequencies, readMachine, type Machine } from '../../lib/bench/machine/machine.js';
import { frequencyWarning, warningsOf, type Medium } from '../../lib/bench/machine/warnings.js';

const MiB = 1024 ** 2;
const CPU = '/sys/devices/system/cpu';
const NODE = '/sys/devices/system/node';

function tree(test: Test, files: Record<string, string>): string {
  const root = test.testdir();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  }
  return root;
}

t.test('a machine, from /proc and /sys', (test) => {
  const root = tree(test, {
    '/proc/cpuinfo': 'model name\t: Xeon\nflags\t\t: fpu clwb\ncpu MHz\t\t: 2500.5',
    '/proc/self/status': 'Name: node\nCpus_allowed_list:\t0-3,8',
    [`${CPU}/cpu0/cache/index0/size`]: '32K',
    [`${CPU}/cpu0/cache/index1/size`]: '64M',
    [`${CPU}/cpu0/cache/index1/type`]: 'Instruction',
    [`${CPU}/cpu0/cache/index3/size`]: '33M',
    [`${CPU}/cpu0/cpufreq/scaling_governor`]: 'powersave',
    [`${CPU}/cpu1/cpufreq/scaling_governor`]: 'powersave',
    [`${CPU}/cpu1/cpufreq/scaling_cur_freq`]: '1200000',
    [`${NODE}/node0/cpulist`]: '0-7',
    [`${NODE}/node1/cpulist`]: '8-15',
    [`${NODE}/node2/cpulist`]: '16-23',
  });
  test.match(readMachine(root), { cpu: 'Xeon', lastLevelCache: 33 * MiB, governors: ['powersave'], nodes: [0, 1], virtual: false, emulated: false });
  test.strictSame(frequencies(root), [1200]);
  test.end();
});

t.test('an emulated guest that says little', (test) => {
  const root = tree(test, { '/proc/cpuinfo': 'model name\t: QEMU TCG CPU version 2.5+\nflags\t\t: fpu hypervisor\ncpu MHz\t\t: 2500.5' });
  test.match(readMachine(root), { lastLevelCache: undefined, governors: [], nodes: [], virtual: true, emulated: true });
  test.strictSame(frequencies(root), [2500.5]);
  test.end();
});

const QUIET: Machine = {
  cpu: 'Xeon',
  cpus: 8,
  arch: 'x64',
  memory: 0,
  lastLevelCache: 32 * MiB,
  kernel: '6.1',
  virtual: false,
  emulated: false,
  governors: ['performance'],
  nodes: [0],
  load: 0.5,
  node: 'v20',
};
const DAX: Medium = { isDax: true, kind: 'fsdax', filesystem: 'ext4', numaNode: 0 };
const jobs = (size: number): Job[] => [{ ...DEFAULTS, rw: 'read', bs: 4096, size }];

t.test('warnings', (test) => {
  const cases: [string, Partial<Machine>, Partial<Medium>, number, RegExp[]][] = [
    ['a quiet machine with DAX', {}, {}, 256 * MiB, []],
    ['a small working set', {}, {}, 32 * MiB, [/fits the last-level cache \(32 MiB\).*128 MiB/]],
    ['a cache of unknown size', { lastLevelCache: undefined }, {}, MiB, []],
    ['DAX is off', {}, { isDax: false, kind: 'file' }, 256 * MiB, [/not DAX.*doctor/]],
    ['a block device', {}, { isDax: false, kind: 'block' }, 256 * MiB, [/block device mapped as it is/]],
    ['tmpfs', {}, { isDax: false, kind: 'file', filesystem: 'tmpfs' }, 256 * MiB, [/tmpfs.*no write is durable/]],
    ['a remote node', {}, { numaNode: 1 }, 256 * MiB, [/every access is remote.*--cpunodebind=1/]],
    ['maybe a remote node', { nodes: [0, 1] }, {}, 256 * MiB, [/may be remote.*--cpunodebind=0/]],
    ['a device without a node', { nodes: [0, 1] }, { numaNode: undefined }, 256 * MiB, []],
    ['emulation', { emulated: true, virtual: true }, {}, 256 * MiB, [/emulated/]],
    ['a virtual machine', { virtual: true }, {}, 256 * MiB, [/virtual machine/]],
    ['a governor', { governors: ['powersave'] }, {}, 256 * MiB, [/"powersave"/]],
    ['load', { load: 5 }, {}, 256 * MiB, [/other work \(load 5.0/]],
  ];
  for (const [name, machine, medium, size, wanted] of cases) {
    const found = warningsOf({ ...QUIET, ...machine }, { ...DAX, ...medium }, jobs(size));
    test.equal(found.length, wanted.length, `${name}: ${found.join(' | ')}`);
    wanted.forEach((pattern, index) => test.match(found[index], pattern, name));
  }
  test.equal(frequencyWarning([]), undefined);
  test.equal(frequencyWarning([2500, 2450]), undefined);
  test.match(frequencyWarning([2500, 3100, 2400]), /between 2400 and 3100 MHz/);
  test.end();
});
