// Jobs: fio's options and their meanings, what is refused, and the presets.

import t from 'tap';
import {
  checkJob,
  DEFAULTS,
  formatBytes,
  formatDistribution,
  nameOf,
  operationsOf,
  parseDistribution,
  parseTime,
  rateOf,
  syncEvery,
  type Job,
} from '../../lib/bench/jobs/job.js';
import { PRESETS, presetJobs } from '../../lib/bench/jobs/presets.js';

const MiB = 1024 ** 2;
const job = (more: Partial<Job> = {}): Job => ({ ...DEFAULTS, rw: 'randread', bs: 4096, size: MiB, ...more });

t.test('times', (test) => {
  const times: [string, number][] = [
    ['2', 2],
    ['0.5', 0.5],
    ['.5s', 0.5],
    ['250ms', 0.25],
    ['100us', 1e-4],
    ['1m', 60],
    ['2h', 7200],
  ];
  for (const [text, seconds] of times) test.ok(Math.abs(parseTime(text) - seconds) < 1e-12, text);
  for (const text of ['', '1 s', '-1', '1d', 's', '1e3']) test.throws(() => parseTime(text), RangeError, text);
  test.end();
});

t.test('distributions', (test) => {
  for (const text of ['random', 'zipf:1.2', 'pareto:0.2']) test.equal(formatDistribution(parseDistribution(text)), text);
  for (const text of ['', 'zipf', 'zipf:', 'normal:1', 'random:1', 'zipf:-1']) {
    test.throws(() => parseDistribution(text), RangeError, text);
  }
  test.end();
});

t.test('what a job comes to', (test) => {
  test.equal(operationsOf(job()), 256);
  test.equal(operationsOf(job({ loops: 3, bs: 3000 })), 3 * 349, 'a last part of a block is left alone');
  test.equal(operationsOf(job({ time_based: true, runtime: 1 })), Infinity);
  test.equal(rateOf(job()), undefined);
  test.equal(rateOf(job({ rate: MiB })), 256);
  test.equal(rateOf(job({ rate: MiB, rate_iops: 100 })), 100, 'the lower of both');
  test.equal(syncEvery(job()), 1, 'writes are durable one by one unless something else is said');
  test.equal(syncEvery(job({ fdatasync: 0 })), 0);
  test.equal(syncEvery(job({ fsync: 8 })), 8);
  test.equal(formatBytes(4096), '4k');
  test.equal(formatBytes(1000), '1000');
  test.equal(nameOf(job({ rw: 'randrw', rwmixread: 70, numjobs: 4, fdatasync: 8 })), 'randrw 4k rwmixread=70 numjobs=4 fdatasync=8');
  test.equal(nameOf(job({ rw: 'write', rate: MiB })), 'write 4k rate_iops=256');
  test.end();
});

t.test('jobs that cannot be done are refused with what to do', (test) => {
  const refused: [Partial<Job>, RegExp][] = [
    [{ bs: 2 * MiB }, /smaller --bs/],
    [{ time_based: true }, /needs a --runtime/],
    [{ fsync: 2, fdatasync: 2 }, /not both/],
    [{ rwmixread: 101 }, /--rwmixread is a whole number from 0 to 100, not 101/],
    [{ bs: 3 }, /multiple of 64 bytes, a cache line, not 3/],
    [{ bs: 0 }, /--bs is a whole number/],
    [{ bs: 1.5 }, /--bs is a whole number/],
    [{ bs: 2 * 1024 ** 3, size: 1024 ** 4 }, /from 1 to 1073741824/],
    [{ size: NaN }, /--size/],
    [{ numjobs: 257 }, /from 1 to 256, not 257/],
    [{ iodepth: 0 }, /--iodepth is a whole number from 1 to 1024, not 0/],
    [{ iodepth: 2, rate_iops: 9 }, /--iodepth above 1 with --rate/],
    [{ iodepth: 2, verify: 'md5', rw: 'randrw' }, /before it is written/],
    [{ loops: 0 }, /--loops is a whole number from 1 on/],
    [{ fsync: -1 }, /--fsync/],
    [{ rate_iops: 0 }, /--rate_iops/],
    [{ runtime: 0 }, /--runtime is more than 0/],
    [{ ramp_time: NaN }, /--ramp_time/],
    [{ random_distribution: { kind: 'zipf', theta: 1 } }, /zipf:1.2/],
    [{ random_distribution: { kind: 'pareto', h: 1 } }, /pareto:0.2/],
    [{ verify: 'md5', rw: 'randwrite', numjobs: 2 }, /overwrite each other/],
    [{ cpus_allowed: '0;1' }, /list of processors such as 0-3,8, not '0;1'/],
  ];
  for (const [more, message] of refused) test.throws(() => { checkJob(job(more)); }, message);
  for (const more of [{}, { fsync: 1 }, { verify: 'md5', numjobs: 2 } as const, { cpus_allowed: '0-3,8' }]) {
    test.doesNotThrow(() => { checkJob(job(more)); });
  }
  test.end();
});

t.test('presets are jobs, and what the user says goes first', (test) => {
  for (const [name, preset] of Object.entries(PRESETS)) {
    const jobs = presetJobs(preset, 256 * MiB, {});
    for (const one of jobs) test.doesNotThrow(() => { checkJob(one); }, `${name}: ${nameOf(one)}`);
    test.equal(new Set(jobs.map(nameOf)).size, jobs.length, `the names in ${name} differ`);
  }
  const [first] = presetJobs(PRESETS.quick, 64 * MiB, { runtime: 9 });
  test.match(first, { rw: 'randread', bs: 4096, size: 64 * MiB, runtime: 9, time_based: true, fdatasync: 1 });
  test.end();
});
