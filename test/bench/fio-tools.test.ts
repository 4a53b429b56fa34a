// The JSON of a run as those read it who read fio's: fio's own tool for bins, and the fields that fio-plot takes.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { addBins, countLatency, emptyBins, namedBins, type Bins } from '../../lib/bench/trials/bins.js';
import { depthShares, latencyShares } from '../../lib/bench/report/fio-latency.js';
import { fioVersion } from '../../lib/bench/trials/fio.js';
import { cli } from '../helpers/cli.js';
import { seeded } from '../helpers/random.js';
import { scratchPath } from '../helpers/devices.js';

t.setTimeout(300_000);

const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((all, count) => all + count, 0);

t.test('bins are those of fio', (test) => {
  const bins = emptyBins();
  // What fio 3.33 has counted, and what lies at the ends of a bin.
  for (const nanoseconds of [1, 63, 64, 127, 128, 129, 13_760, 13_696, 13_823]) countLatency(bins, nanoseconds);
  test.strictSame(namedBins(bins), { 1: 1, 63: 1, 64: 1, 127: 1, 129: 2, 13760: 3 });
  const random = seeded(test);
  for (let i = 0; i < 1000; i++) {
    const nanoseconds = 1 + random.below(2 ** (1 + random.below(31)));
    const one = emptyBins();
    countLatency(one, nanoseconds);
    const [middle = ''] = Object.keys(namedBins(one));
    if (Math.abs(Number(middle) - nanoseconds) > nanoseconds / 64) test.fail(`${nanoseconds} in the bin of ${middle}`);
  }
  const last = emptyBins();
  countLatency(last, 2 ** 50);
  test.equal(sum(namedBins(last)), 1, 'the last one takes what is longer');
  test.strictSame(addBins([{ 1: 2, 5: 1 }, { 5: 3 }]), { 1: 2, 5: 4 });
  test.end();
});

t.test('shares of latencies and of depths', (test) => {
  const shares = latencyShares([{ 1: 1, 900: 1 }, { 3_000: 1, 3e9: 1 }]);
  test.match(shares, { latency_ns: { 2: 25, 1000: 25, 500: 0 }, latency_us: { 4: 25 }, latency_ms: { 2000: 0, '>=2000': 25 } });
  test.equal(Object.values(shares).reduce((all, one) => all + sum(one), 0), 100);
  test.match(depthShares(1), { 1: 100, 2: 0 });
  test.match(depthShares(20), { 16: 0, 32: 100, '>=64': 0 });
  test.match(depthShares(64), { 32: 0, '>=64': 100 });
  test.end();
});

interface Direction {
  readonly total_ios: number;
  readonly bw: number;
  readonly iops: number;
  readonly iops_stddev: number;
  readonly iops_samples: number;
  readonly bw_mean: number;
  readonly clat_ns: { bins?: Bins };
  readonly lat_ns: { mean: number; stddev: number; bins?: Bins };
}
interface FioJob extends Record<'read' | 'write' | 'trim', Direction>, Record<'latency_ns' | 'latency_us' | 'latency_ms' | 'iodepth_level', Record<string, number>> {
  readonly jobname: string;
  readonly 'job options': Record<string, string>;
  readonly usr_cpu: number;
  readonly sys_cpu: number;
}

const TOOL = '/usr/bin/fio_jsonplus_clat2csv';

t.test('a real run', (test) => {
  const path = scratchPath(test, '/dev/shm');
  const fio = fioVersion() === undefined ? [] : ['--driver', 'fio-mmap'];
  const ran = cli('bench', path, '--size', '1M', '--runtime', '20ms', '--ramp_time', '10ms', '--repeats', '2', '--rw', 'randrw', '--iodepth', '4', '--driver', 'sync', '--driver', 'async', ...fio, '--json');
  test.equal(ran.status, 0, ran.stderr);
  const { jobs, 'fio version': version, 'global options': global } = JSON.parse(ran.stdout) as { jobs: FioJob[]; 'fio version': string; 'global options': object };
  test.equal(jobs.length, fio.length === 0 ? 2 : 3);
  test.ok(version);
  for (const job of jobs) {
    // What fio-plot reads, of each direction.
    const options = { ...job['job options'], ...global };
    for (const name of ['iodepth', 'numjobs', 'bs', 'rw'] as const) test.type((options as Record<string, string>)[name], 'string', `${job.jobname}: ${name}`);
    for (const way of ['read', 'write'] as const) {
      const { bw, iops, iops_stddev, iops_samples, lat_ns, bw_mean } = job[way];
      for (const figure of [bw, iops, lat_ns.mean, bw_mean]) test.ok(figure > 0, `${job.jobname}: ${way}`);
      test.ok(iops_stddev >= 0 && lat_ns.stddev >= 0);
      test.equal(iops_samples, 2, 'one for each round');
      test.ok(sum(lat_ns.bins ?? {}) > 0, 'bins');
    }
    test.equal(job.trim.total_ios, 0);
    const shares = sum(job.latency_ns) + sum(job.latency_us) + sum(job.latency_ms);
    test.ok(Math.abs(shares - 100) < 1e-6, `${job.jobname}: ${shares} %`);
    test.equal(sum(job.iodepth_level), 100);
    test.ok(job.usr_cpu >= 0 && job.sys_cpu >= 0);
  }
  test.equal(jobs.find(({ jobname }) => jobname === 'async')?.iodepth_level['4'], 100);
  test.equal(jobs.find(({ jobname }) => jobname === 'sync')?.iodepth_level['1'], 100);

  test.test('fio_jsonplus_clat2csv', { skip: !existsSync(TOOL) && `there is no ${TOOL}: apt-get install fio` }, (sub) => {
    const folder = sub.testdir({ 'result.json': '' });
    const [source, csv] = [join(folder, 'result.json'), join(folder, 'result.csv')];
    writeFileSync(source, ran.stdout);
    const run = (...args: string[]) => spawnSync('python3', [TOOL, source, csv, ...args], { encoding: 'utf8' });
    const made = run();
    sub.equal(made.status, 0, made.stderr);
    const checked = run('--validate');
    sub.equal(checked.status, 0, checked.stderr);
    sub.match(checked.stdout, /job0\.csv validated[^]*job1\.csv validated/);
    const lines = readFileSync(join(folder, 'result_job0.csv'), 'utf8').trim().split('\n');
    sub.ok(lines.length > 10, 'a line for each bin');
    sub.match(lines[0], /nsec, .*read_clat_ns_count/);
    sub.end();
  });
  test.end();
});
