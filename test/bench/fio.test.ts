// The real fio: its command line for a job, its JSON, and where it is installed, both together.

import { statSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { makeTrial } from '../../lib/bench/trials/contender.js';
import { ACCEPTED, durable, type Target } from '../../lib/bench/drivers/driver.js';
import { fioContenders, fioVersion, parseFio } from '../../lib/bench/trials/fio.js';
import { DEFAULTS, type Job } from '../../lib/bench/jobs/job.js';
import { scratchPath } from '../helpers/devices.js';

const job = (more: Partial<Job> = {}): Job => ({ ...DEFAULTS, rw: 'randread', bs: 4096, size: 1024 ** 2, ...more });
const target = (more: Partial<Target> = {}): Target => ({ path: '/x', kind: 'file', granularity: 'page', isDax: false, isMade: false, folder: undefined, force: false, ...more });

function engine(name: string) {
  const found = fioContenders().find(({ key }) => key === `fio-${name}`);
  if (found === undefined) throw new Error(`no engine ${name}`);
  return found;
}

t.test('a job becomes fio’s options', (test) => {
  const args = (name: string, more: Partial<Job>): readonly string[] => engine(name).command(job(more), target()).args;
  const has = (name: string, more: Partial<Job>, ...wanted: string[]): void => {
    const found = args(name, more);
    test.strictSame(wanted.filter((word) => !found.includes(word)), [], `${name} ${JSON.stringify(more)}`);
  };
  has('psync', {}, '--rw=randread', '--bs=4096', '--size=1048576', '--direct=1', '--norandommap=1', '--filename=/proc/self/fd/3', '--loops=1', '--readonly');
  has('psync', { rw: 'randwrite' }, '--sync=dsync');
  has('psync', { rw: 'write', fdatasync: 8 }, '--fdatasync=8');
  has('psync', { rw: 'write', fsync: 8 }, '--fsync=8');
  has('psync', { rw: 'randrw', rwmixread: 70, numjobs: 4 }, '--rwmixread=70', '--numjobs=4', '--group_reporting=1');
  has('psync', { runtime: 0.25, time_based: true, ramp_time: 0.1 }, '--runtime=250ms', '--time_based=1', '--ramp_time=100ms');
  has('psync', { random_distribution: { kind: 'zipf', theta: 1.2 }, randseed: 9 }, '--random_distribution=zipf:1.2', '--randseed=9');
  has('io_uring', { iodepth: 8 }, '--iodepth=8', '--direct=1');
  has('libaio', { iodepth: 8 }, '--iodepth=8', '--direct=1');
  has('mmap', { rw: 'write' }, '--fdatasync=1');
  has('libpmem', { rw: 'write' }, '--sync=dsync', '--direct=1');
  test.notOk(args('psync', { rw: 'read' }).some((word) => word.startsWith('--norandommap')));
  test.notOk(args('psync', { rw: 'rw' }).includes('--readonly'));
  test.notOk(args('psync', { rw: 'write', fdatasync: 0 }).some((word) => word.includes('sync=')));
  test.notOk(args('psync', { runtime: 1 }).some((word) => word.startsWith('--ramp_time')), 'a ramp would be taken from the size');
  test.end();
});

t.test('engines say what they cannot do', (test) => {
  const cannot: [string, Partial<Job>, Partial<Target>, RegExp | undefined][] = [
    ['libpmem', {}, {}, /a DAX mount/],
    ['libpmem', { size: statSync(__filename).size }, { kind: 'fsdax', granularity: 'cache_line' }, /overwrites a file before it reads/],
    ['libpmem', { size: statSync(__filename).size }, { kind: 'fsdax', granularity: 'cache_line', isMade: true }, undefined],
    ['libpmem', { rw: 'write', size: statSync(__filename).size }, { kind: 'fsdax', granularity: 'cache_line' }, undefined],
    ['libpmem', { rw: 'write' }, { kind: 'fsdax', granularity: 'cache_line' }, /cuts the file off/],
    ['libpmem', { rw: 'write', fdatasync: 8, size: statSync(__filename).size }, { kind: 'fsdax', granularity: 'cache_line' }, /each write durable/],
    ['libpmem', {}, { kind: 'devdax' }, /dev-dax/],
    ['dev-dax', {}, { kind: 'devdax' }, undefined],
    ['dev-dax', {}, {}, /devdax alone/],
    ['mmap', {}, { kind: 'devdax' }, /msync/],
    ['psync', {}, { kind: 'devdax' }, /read\(2\)/],
    ['psync', { bs: 1000 }, { path: __filename }, /multiples of/],
    ['libaio', {}, {}, /above 1/],
    ['mmap', { verify: 'md5' }, {}, /verified by fio/],
    ['mmap', { rate_iops: 10 }, {}, /was due/],
  ];
  for (const [name, more, where, why] of cannot) {
    const found = engine(name).obstacle(job(more), target({ path: __filename, ...where }));
    if (why === undefined) test.equal(found, undefined, name);
    else test.match(found, why, name);
  }
  test.equal(engine('psync').done(job({ rw: 'write' })).write, durable(1));
  test.equal(engine('psync').done(job({ rw: 'write', fdatasync: 0 })).write, ACCEPTED);
  test.end();
});

const LATENCY = { min: 10, max: 1000, mean: 100, stddev: 5, N: 100 };
const NOTHING = { total_ios: 0, io_bytes: 0, iops: 0, bw_bytes: 0, runtime: 0, lat_ns: { min: 0, max: 0, mean: 0, stddev: 0, N: 0 } };

function report(more: object): string {
  const base = { error: 0, read: NOTHING, write: NOTHING, sync: { total_ios: 0, lat_ns: LATENCY }, usr_cpu: 1, sys_cpu: 2, ctx: 3, majf: 4, minf: 5 };
  return `fio: a warning before it\n{\n "jobs": [ ${JSON.stringify({ ...base, ...more })} ] }\n`;
}

t.test('fio’s JSON becomes figures', (test) => {
  const percentile = { '50.000000': 90, '1.000000': 20 };
  const moved = { total_ios: 100, io_bytes: 409_600, iops: 1000, bw_bytes: 4_096_000, runtime: 100, lat_ns: { ...LATENCY, percentile } };
  const read = parseFio(report({ read: moved }));
  test.match(read, { read: { operations: 100, iops: 1000, bw: 4_096_000, latency: { mean: 100, percentiles: [] } }, seconds: 0.1, minf: 5 });
  test.equal(read.write, undefined);
  const synced = parseFio(report({ write: moved, sync: { total_ios: 50, lat_ns: { ...LATENCY, mean: 300 } } }));
  test.match(synced.write?.latency, { mean: 250, percentiles: [] }, 'a sync of its own belongs to the writes before it');
  test.throws(() => parseFio(report({ error: 22 })), /error 22/);
  test.throws(() => parseFio(''), /no job/);
  test.throws(() => parseFio(report({ read: { ...moved, lat_ns: { ...LATENCY, N: 0 } } })), /counted nothing/);
  test.end();
});

const installed = fioVersion();

t.test('fio does what it is told', { skip: installed === undefined && 'fio is not installed: apt-get install fio' }, async (test) => {
  const path = scratchPath(test, '/dev/shm');
  writeFileSync(path, Buffer.alloc(1024 ** 2, 1));
  for (const rw of ['randread', 'randwrite'] as const) {
    for (const name of ['mmap', 'psync']) {
      const one = job({ rw, runtime: 0.1, time_based: true, ramp_time: 0.02 });
      const trial = await makeTrial(engine(name), one, target({ path }));
      const way = rw === 'randread' ? trial.read : trial.write;
      test.ok((way?.operations ?? 0) > 0, `${name} ${rw}`);
      test.equal(rw === 'randread' ? trial.write : trial.read, undefined);
      test.equal(way?.bytes, (way?.operations ?? 0) * 4096);
    }
  }
});
