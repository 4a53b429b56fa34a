// Jobs that end when they are steady: what is steady, as fio's own samples and verdicts have it, what is refused, and what is told.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { openSync } from 'node-dax';
import t, { type Test } from 'tap';
import { checkJob, DEFAULTS, nameOf, type Job } from '../../lib/bench/jobs/job.js';
import { formatSteadyState, parseSteadyState, steadinessOf } from '../../lib/bench/jobs/steady-state.js';
import { parseFio, fioVersion } from '../../lib/bench/trials/fio.js';
import { SteadyWindow } from '../../lib/bench/trials/steady-window.js';
import { cli } from '../helpers/cli.js';
import { scratchPath } from '../helpers/devices.js';

const needsFio = { skip: fioVersion() === undefined && 'fio is not installed: apt-get install fio' };

/** A job with a steady state, without some of its properties. */
function job(more: Partial<Job> = {}, ...without: readonly (keyof Job)[]): Job {
  const steady = { steadystate: parseSteadyState('iops:5%'), steadystate_duration: 4, runtime: 10, time_based: true };
  const whole: Job = { ...DEFAULTS, rw: 'randread', bs: 4096, size: 1024 ** 2, ...steady, ...more };
  return Object.fromEntries(Object.entries(whole).filter(([name]) => !without.some((one) => one === name))) as unknown as Job;
}

t.test('the notation is fio’s', (test) => {
  for (const text of ['iops:5%', 'iops_slope:0.1%', 'bw:1000', 'bw_slope:20']) test.equal(formatSteadyState(parseSteadyState(text)), text);
  for (const text of ['', 'iops', 'iops:', 'iops:0', 'iops:0%', 'iops:0.0000001', 'iops:-1%', 'lat:5%', 'iops:5 %', 'iops:1e3', 'iops:5%%']) {
    test.throws(() => parseSteadyState(text), { name: 'RangeError', message: /such as iops:5% or bw_slope:0\.1%/ }, text);
  }
  test.equal(nameOf(job()), 'randread 4k steadystate=iops:5%');
  test.end();
});

t.test('samples are steady when none is far from the mean, or when they do not lead up or down', (test) => {
  const of = (text: string, ...samples: number[]) => steadinessOf(parseSteadyState(text), samples, 4096);
  test.match(of('iops:5%', 100, 104, 96), { iopsMean: 100, bwMean: 409_600, maxDeviation: 4, slope: 0, value: 4, isSteady: true });
  test.match(of('iops:4%', 100, 104, 96), { isSteady: false }, 'the limit itself is too far');
  test.match(of('iops:4.5', 100, 104, 96), { value: 4, isSteady: true });
  test.match(of('bw:17000', 100, 104, 96), { maxDeviation: 4 * 4096, value: 4 * 4096, isSteady: true });
  test.match(of('iops_slope:10%', 100, 90, 80), { maxDeviation: 0, slope: -10, isSteady: false }, 'down is no better than up');
  test.match(of('iops_slope:11.2', 100, 90, 80), { value: -10, isSteady: true });
  test.match(of('iops:5%', 100), { iopsMean: 100, value: 0, isSteady: false }, 'one sample is compared with nothing');
  test.match(of('bw:5'), { bwMean: 0, isSteady: false });
  test.match(of('iops_slope:0.1%', 50, 150, 50), { slope: 0, isSteady: true });
  test.end();
});

t.test('a window is judged when it is full, and begins after the ramp', (test) => {
  const window = SteadyWindow.of(job({ steadystate_ramp_time: 2 }));
  if (window === undefined) throw new Error('the job has a steady state');
  let operations = 0;
  let elapsed = 0;
  const second = (iops: number): void => {
    // In parts, as windows of measuring are.
    for (let part = 0; part < 4; part++) window.take((operations += iops / 4), (elapsed += 250));
  };
  for (const iops of [1, 1, 800, 1000, 1000]) second(iops);
  test.strictSame(window.window, { isAttained: false, iops: [800, 1000, 1000] }, 'the ramp is left out');
  second(1000);
  test.strictSame(window.window, { isAttained: false, iops: [800, 1000, 1000, 1000] });
  second(1000);
  test.strictSame(window.window, { isAttained: true, iops: [1000, 1000, 1000, 1000] });
  test.equal(SteadyWindow.of(job({}, 'steadystate', 'steadystate_duration')), undefined);
  test.end();
});

t.test('what cannot end so is refused, with what is allowed', (test) => {
  checkJob(job());
  checkJob(job({ steadystate_ramp_time: 5.5 }));
  const wrong: [Partial<Job>, RegExp, ...(keyof Job)[]][] = [
    [{}, /are of --steadystate/, 'steadystate'],
    [{ steadystate_ramp_time: 1 }, /are of --steadystate/, 'steadystate', 'steadystate_duration'],
    [{}, /needs --steadystate_duration/, 'steadystate_duration'],
    [{ steadystate_duration: 1 }, /--steadystate_duration is a whole number from 2 to 3600, not 1/],
    [{ steadystate_duration: 2.5 }, /whole number from 2/],
    [{ steadystate_ramp_time: -1 }, /--steadystate_ramp_time is 0 or more/],
    [{ steadystate_ramp_time: 6 }, /a --runtime above 10 s.*not 10 s/],
    [{ time_based: false }, /--time_based/, 'runtime'],
    [{ numjobs: 2 }, /--numjobs above 1/],
    [{ rate_iops: 100 }, /a rate is steady/],
    [{ rw: 'filecreate', nrfiles: 10 }, /reads and writes/],
  ];
  for (const [more, message, ...without] of wrong) test.throws(() => { checkJob(job(more, ...without)); }, { name: 'RangeError', message }, `${JSON.stringify(more)} without ${without.join()}`);
  test.end();
});

/** What fio's JSON says of the steady state, for all of its jobs here. */
interface Block {
  ss: string;
  duration: number;
  attained: number;
  criterion: string | number;
  max_deviation: number;
  slope: number;
  data: { bw_mean: number; iops_mean: number; iops: number[]; bw: number[] };
}

function blockOf(output: string, name?: string): Block {
  const { jobs } = JSON.parse(output) as { jobs: { jobname: string; steadystate?: Block }[] };
  const block = jobs.find(({ jobname }) => name === undefined || jobname === name)?.steadystate;
  if (block === undefined) throw new Error(`no steady state of ${name ?? 'the job'} in ${output}`);
  return block;
}

function target(test: Test): string {
  const path = scratchPath(test, '/dev/shm');
  openSync(path, { size: 1024 ** 2 }).closeSync();
  return path;
}

t.test('fio comes to the same by its samples', needsFio, (test) => {
  const path = target(test);
  for (const text of ['iops:1000%', 'iops_slope:1', 'bw:1', 'bw_slope:1000%']) {
    const options = ['--name=job', `--filename=${path}`, '--readonly', '--ioengine=psync', '--rw=randread', '--bs=4k', '--time_based', '--runtime=4', `--ss=${text}`, '--ss_dur=3s'];
    const { stdout, stderr } = spawnSync('fio', [...options, '--output-format=json'], { encoding: 'utf8' });
    const block = blockOf(stdout);
    const { iops, bw, iops_mean } = block.data;
    const own = steadinessOf(parseSteadyState(text), iops, 4096);
    // fio has taken the IOPS and the bandwidth of a sample one after the other, and keeps whole numbers of both.
    const near = (found: number, expected: number, what: string): void => {
      test.ok(Math.abs(found - expected) <= Math.max(Math.abs(expected) / 100, own.iopsMean / 1000, 1), `${text}, ${what}: ${found} is near ${expected}: ${JSON.stringify(block)} ${stderr}`);
    };
    near(own.iopsMean, iops_mean, 'mean');
    const unit = text.startsWith('bw') ? 4096 : 1;
    near(own.slope / unit, block.slope / unit, 'slope');
    near(own.maxDeviation / unit, block.max_deviation / unit, 'deviation');
    const criterion = Number(String(block.criterion).replace('%', ''));
    near(text.endsWith('%') ? own.value : own.value / unit, text.endsWith('%') ? criterion : criterion / unit, 'criterion');
    test.equal(own.isSteady, block.attained === 1, `${text} ${JSON.stringify(block)}`);
    test.strictSame(parseFio(stdout).steady, { isAttained: block.attained === 1, iops });
    test.equal(bw.length, iops.length);
  }
  test.end();
});

t.test('a trial ends when it is steady, and the JSON says so as fio’s does', needsFio, (test) => {
  const path = target(test);
  // Whatever is measured is steady by this.
  const options = ['--rw', 'randread', '--repeats', '1', '--runtime', '1h', '--ss', 'iops:100000%', '--ss_dur', '2s', '--driver', 'sync', '--driver', 'fio-psync', '--json'];
  const { status, stdout, stderr } = cli('bench', path, ...options);
  test.equal(status, 0, stderr);
  const [own, fio] = [blockOf(stdout, 'sync'), blockOf(stdout, 'fio-psync')];
  for (const block of [own, fio]) {
    test.match(block, { ss: 'iops:100000.000000%', duration: 2, attained: 1, slope: 0, criterion: /^\d+\.\d{6}%$/ });
    test.equal(block.data.iops.length, 2);
    test.strictSame(block.data.bw.map((bytes) => Math.round(bytes / 4096)), block.data.iops);
  }
  test.match(JSON.parse(stdout), { jobs: [{ 'job options': { steadystate: 'iops:100000%', steadystate_duration: '2s' } }] });
  const plain = spawnSync('fio', ['--name=job', `--filename=${path}`, '--readonly', '--rw=randread', '--time_based', '--runtime=1h', '--ss=iops:100000%', '--ss_dur=2s', '--output-format=json'], { encoding: 'utf8' });
  const theirs = blockOf(plain.stdout);
  test.strictSame(Object.keys(own), Object.keys(theirs));
  test.strictSame(Object.keys(own.data), Object.keys(theirs.data));
  test.end();
});

t.test('what was never steady is told, in words and on the page', (test) => {
  const path = target(test);
  const folder = test.testdir();
  const common = ['--rw', 'read', '--repeats', '1', '--driver', 'sync'];
  const never = ['--ss', 'iops:0.000001%', '--ss_dur', '2s', '--ss_ramp', '100ms', '--runtime', '4s'];
  const ran = cli('bench', path, ...common, ...never, '--html', `${folder}/page.html`);
  test.equal(ran.status, 0, ran.stderr);
  const words = /node-dax sync was not steady \(iops:0\.000001% for 2 s\) before its runtime was over: iops [\d.e-]+ %/;
  test.match(ran.stdout.replaceAll(/\s+/g, ' '), words);
  test.match(readFileSync(`${folder}/page.html`, 'utf8'), words);
  test.match(cli('bench', path, ...common, '--ss', 'iops'), { status: 2, stderr: /no steady state: iops, iops_slope, bw, bw_slope/ });
  test.match(cli('bench', path, ...common, '--ss', 'iops:5%'), { status: 2, stderr: /needs --steadystate_duration/ });
  test.match(cli('bench', path, ...common, '--ss', 'iops:5%', '--ss_dur', '10s'), { status: 2, stderr: /--runtime above 10 s.*not 1 s/ });
  test.end();
});
