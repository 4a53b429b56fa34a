// Several targets in one run: the same jobs on each in turns; tables that compare drivers with the same promise round by round;
// nothing is measured if one target cannot be; and after a signal, a report of the rounds until then.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { COPIED, durable, KNOWN, type Target } from '../../lib/bench/drivers/driver.js';
import { DEFAULTS, nameOf, type Job } from '../../lib/bench/jobs/job.js';
import { fromFio } from '../../lib/bench/report/fio-json.js';
import type { JobResult, Report, Subject } from '../../lib/bench/report/report.js';
import { changesOf, changeTable, checkComparable } from '../../lib/bench/report/compare.js';
import { compareTargets, targetNote, targetTable, type TargetComparison } from '../../lib/bench/report/targets.js';
import { run } from '../../lib/bench/run.js';
import type { Contender } from '../../lib/bench/trials/contender.js';
import { spread, type Trial } from '../../lib/bench/trials/figures.js';
import { cli, MAIN } from '../helpers/cli.js';

t.setTimeout(300_000);

const BRIEF = ['--runtime', '20ms', '--ramp_time', '20ms', '--repeats', '1', '--rw', 'randread', '--driver', 'sync', '--driver', 'fs'];
const TOOL = '/usr/bin/fio_jsonplus_clat2csv';

const [kept] = fromFio(readFileSync(join(__dirname, '..', '..', '..', 'benchmarks', 'results', 'guest-ext4.json'), 'utf8'));
const FIGURES: Trial = { seconds: 1, usr_cpu: 0, sys_cpu: 0, ctx: 0, majf: 0, minf: 0 };

/** A report of one job, with the operations a second of each driver. */
function report(path: string, subject: Partial<Subject>, more: Partial<Job>, done: string, drivers: Readonly<Record<string, number | readonly number[]>>): Report {
  const job: Job = { ...DEFAULTS, rw: 'randread', bs: 4096, size: 1024 ** 2, ...more };
  const rows = Object.entries(drivers).map(([driver, iops]) => {
    const rounds = [iops].flat();
    return { driver, name: driver, how: '', figures: FIGURES, iops: spread(rounds), rounds };
  });
  const result: JobResult = { name: nameOf(job), job, groups: [{ done, rows }], absent: [] };
  return { ...kept, subject: { ...kept.subject, isDax: false, filesystem: 'ext4', ...subject, path }, results: [result] };
}

const dax = { isDax: true };
const memory = { filesystem: 'tmpfs' };

t.test('a driver is compared with itself on the first target, and what it reaches is said where that differs', (test) => {
  const [found, ...others] = compareTargets([
    report('/pmem', dax, {}, COPIED, { sync: 100, fs: 10, direct: 5 }),
    report('/disk', {}, {}, COPIED, { async: 7, fs: 20, sync: 50, direct: 1 }),
    report('/other', dax, {}, COPIED, { sync: 300 }),
  ]);
  test.strictSame(others, []);
  test.match(found, { job: 'randread 4k', done: COPIED });
  test.strictSame(found && targetTable(found).rows, [
    ['sync', '1', '100', '1', ''], ['', '2', '50', '0.5', '-'], ['', '3', '300', '3', '-'],
    ['fs', '1', '10', '1', ''], ['', '2', '20', '2', '-'],
    ['direct', '1', '5', '1', ''], ['', '2', '1', '0.2', '-'],
  ]);
  const medium = 'the medium itself, no cache of the kernel between';
  test.strictSame(found?.caveats, [
    `Not the same for sync, fs: on /pmem ${medium}; on /disk the page cache.`,
    `Not the same for direct: on /pmem ${medium}; on /disk the device, past the page cache.`,
  ]);
  test.end();
});

t.test('ratios are of the same round, with their range, which a machine that is slow for a while does not move', (test) => {
  const compared = compareTargets([report('/a', dax, {}, COPIED, { sync: [100, 10, 50, 7] }), report('/b', {}, {}, COPIED, { sync: [200, 20, 150] })]);
  test.strictSame(compared[0]?.figures.map(({ ratio }) => ratio), [undefined, { median: 2, low: 2, high: 3, confidence: 0.75 }], 'a round that the other has not is left out');
  test.strictSame(compared[0] && targetTable(compared[0]).rows[1], ['', '2', '150', '2', '2–3']);
  test.match(targetNote(compared), /in the same round.*75 % probability/);
  test.equal(targetNote(compareTargets([report('/a', dax, {}, COPIED, { sync: 1 }), report('/b', {}, {}, COPIED, { sync: 2 })])), undefined, 'one round has no range');
  test.end();
});

t.test('the turns of a driver on all targets follow each other, round after round', async (test) => {
  const target = (path: string): Target => ({ path, kind: 'file', granularity: 'page', isDax: false, isMade: true, folder: undefined, force: false });
  const contender = (key: string): Contender => ({
    key,
    name: key,
    depth: () => 1,
    done: () => ({ read: COPIED, write: COPIED }),
    how: () => ({ read: '', write: '' }),
    obstacle: (_, { path }) => (key === 'b' && path === '2' ? 'not there' : undefined),
    command: () => ({ program: 'true', args: [] }),
    parse: () => FIGURES,
  });
  const job: Job = { ...DEFAULTS, rw: 'randread', bs: 4096, size: 1024 ** 2 };
  const plan = { jobs: [job], contenders: ['a', 'b'].map(contender), targets: ['1', '2'].map(target), rounds: 2 };
  const turns: string[] = [];
  const outcomes = await run(plan, new AbortController().signal, (made, all, { contender: { key }, target: { path } }) => turns.push(`${key}${path} ${made}/${all}`));
  test.strictSame(turns, ['a1 0/6', 'a2 1/6', 'b1 2/6', 'a1 3/6', 'a2 4/6', 'b1 5/6']);
  test.strictSame(outcomes.map(([of]) => of?.outcomes.map(({ trials, why }) => why ?? trials.length)), [[2, 2], [2, 'not there']]);
});

t.test('a result is compared with an earlier one target by target', (test) => {
  const both = (a: number, b: number): Report[] => [report('/a', dax, {}, COPIED, { sync: a }), report('/b', {}, {}, COPIED, { sync: b })];
  const changes = changesOf(both(100, 10), both(100, 9), 0.05);
  test.match(changes, [{ target: '/a', number: 1, ratio: 1, isSlower: false }, { target: '/b', number: 2, ratio: 0.9, isSlower: true }]);
  test.strictSame(changeTable(changes), { head: ['job', 'driver', 'target', 'old', 'new', 'ratio', ''], rows: [['randread 4k', 'sync', '1', '100', '100', '1', ''], ['randread 4k', 'sync', '2', '10', '9', '0.9', 'slower']] });
  checkComparable(both(1, 1), ['/a', '/c']);
  test.throws(() => { checkComparable(both(1, 1), ['/b', '/a']); }, { message: /\/b is at another place among the targets of the result: \/a, \/b/ });
  test.throws(() => { checkComparable(both(1, 1), ['/a']); }, { message: /of 2 targets \(\/a, \/b\), not of 1/ });
  test.end();
});

t.test('what is not promised alike is not compared', (test) => {
  const ratios = (comparisons: readonly TargetComparison[]): (number | undefined)[] => comparisons.flatMap(({ figures }) => figures.map(({ ratio }) => ratio?.median));
  const write = { rw: 'randwrite' } as const;
  for (const [one, other] of [[memory, dax], [dax, memory]] as const) {
    const found = compareTargets([report('/a', one, write, durable(1), { sync: 2 }), report('/b', other, write, durable(1), { sync: 1 })]);
    test.strictSame(ratios(found), [undefined, undefined]);
    test.strictSame(found[0] && targetTable(found[0]).rows[1], ['', '2', '1', '-', '']);
    test.strictSame(found[0]?.caveats, ['Writes to /b are not compared with those to /a: on tmpfs, no write is durable.']);
  }
  const alike = compareTargets([report('/a', memory, write, durable(1), { sync: 2 }), report('/b', memory, write, durable(1), { sync: 1 })]);
  test.strictSame(ratios(alike), [undefined, 0.5]);
  test.strictSame(alike[0]?.caveats, []);
  const read = compareTargets([report('/a', memory, {}, COPIED, { sync: 2 }), report('/b', dax, {}, COPIED, { sync: 1 })]);
  test.strictSame(ratios(read), [undefined, 0.5]);
  test.match(read[0]?.caveats, [/on \/a ordinary memory; on \/b the medium itself/]);
  const files = { rw: 'filestat' } as const;
  const stats = compareTargets([report('/a', memory, files, KNOWN, { fs: 2 }), report('/b', dax, files, KNOWN, { fs: 1 })]);
  test.strictSame([ratios(stats), stats[0]?.caveats], [[undefined, 0.5], ['Not the same for fs: on /a tmpfs; on /b ext4.']]);
  test.strictSame(compareTargets([report('/a', dax, write, durable(1), { sync: 2 }), report('/b', dax, write, durable(0), { sync: 1 })]), [], 'other words, another promise');
  test.end();
});

function folder(test: Test): string {
  const path = mkdtempSync('/dev/shm/node-dax-test-targets-');
  test.teardown(() => {
    rmSync(path, { recursive: true });
  });
  return path;
}

interface Fio {
  jobs: { jobname: string; groupid: number; 'job options': { filename: string; size: string } }[];
  'node-dax': Report[];
  'node-dax-targets': TargetComparison[];
}

t.test('each target has its tables, and one table compares them', (test) => {
  const dir = folder(test);
  const [a, b] = [join(dir, 'a'), join(dir, 'b')];
  writeFileSync(a, Buffer.alloc(1024 ** 2));
  const { status, stdout, stderr } = cli('bench', a, b, ...BRIEF, '--json', '--write_lat_log', join(dir, 'log'));
  test.equal(status, 0, stderr);
  const { jobs, 'node-dax': reports, 'node-dax-targets': comparisons } = JSON.parse(stdout) as Fio;
  const figures = comparisons.flatMap((comparison) => comparison.figures);
  test.strictSame(reports.map(({ subject }) => subject.path), [a, b]);
  test.strictSame(jobs.map(({ groupid, 'job options': { filename, size } }) => [groupid, filename, size]), [a, a, b, b].map((path, index) => [index < 2 ? 0 : 1, path, `${1024 ** 2}`]), 'the smallest target decides the size');
  test.strictSame(figures.map(({ driver, target }) => [driver, target]), [['sync', a], ['sync', b], ['fs', a], ['fs', b]]);
  for (const [index, { driver, target, iops, ratio }] of figures.entries()) {
    const rows = reports.find(({ subject }) => subject.path === target)?.results.flatMap(({ groups }) => groups.flatMap((group) => group.rows));
    test.equal(iops, rows?.find((row) => row.driver === driver)?.iops.median);
    test.equal(ratio?.median, index % 2 === 0 ? undefined : iops / (figures[index - 1]?.iops ?? NaN), 'against the first target');
  }
  const logs = readdirSync(dir).filter((name) => name.startsWith('log')).sort();
  test.strictSame(logs, [1, 2].flatMap((target) => ['fs', 'sync'].map((driver) => `log-${target}-randread-4k-${driver}-1_lat.1.log`)));
  const kept = join(dir, 'result.json');
  writeFileSync(kept, stdout);
  const shown = cli('bench', '--from', kept);
  test.equal(shown.status, 0, shown.stderr);
  test.equal(shown.stdout.match(/^target: /gm)?.length, 2);
  test.match(shown.stdout, new RegExp(`\\nTargets: 1 is ${a}, 2 is ${b}\\n\\nrandread 4k: ${COPIED}\\n\\nDRIVER +TARGET +IOPS +× 1 +RANGE\\n *node-dax sync +1 .* 1\\n +2 .*\\n *fs sync +1 .* 1\\n +2 .*\\n$`));
  const forms = cli('bench', '--from', kept, '--html', join(dir, 'page.html'), '--svg', join(dir, 'pictures'), '--compare', kept);
  test.match(forms, { status: 0, stdout: /\nJOB +DRIVER +TARGET +OLD +NEW +RATIO\n(?:randread 4k .* 1\n){4}$/ }, forms.stderr);
  test.match(readFileSync(join(dir, 'page.html'), 'utf8'), new RegExp(`<ol class="targets"><li>${a}</li><li>${b}</li></ol>`));
  test.ok(readdirSync(join(dir, 'pictures')).includes('targets-randread-4k-1.svg'));
  test.match(cli('bench', a, '--compare', kept), { status: 2, stderr: /the result is of 2 targets/ });
  const measured = cli('bench', a, b, ...BRIEF, '--compare', kept, '--threshold', '99%');
  test.match(measured, { status: 0, stdout: /\nJOB +DRIVER +TARGET +OLD +NEW +RATIO\n/ }, measured.stderr);
  test.test('fio_jsonplus_clat2csv takes all jobs', { skip: !existsSync(TOOL) && `there is no ${TOOL}: apt-get install fio` }, (sub) => {
    const run = (...args: string[]) => spawnSync('python3', [TOOL, kept, join(dir, 'result.csv'), ...args], { encoding: 'utf8' });
    const made = run();
    sub.equal(made.status, 0, made.stderr);
    const checked = run('--validate');
    sub.equal(checked.status, 0, checked.stderr);
    sub.strictSame(checked.stdout.trim().split('\n'), [0, 1, 2, 3].map((job) => `${join(dir, `result_job${job}.csv`)} validated`), 'two drivers on two targets');
    sub.end();
  });
  test.end();
});

t.test('what one target refuses is refused before any is measured', (test) => {
  const dir = folder(test);
  const [a, taken] = [join(dir, 'a'), join(dir, 'taken')];
  writeFileSync(taken, Buffer.alloc(1024 ** 2, 'precious'));
  test.match(cli('bench', a, taken, '--size', '1M', '--rw', 'write'), { status: 2, stderr: new RegExp(`the jobs overwrite ${taken}: add --yes-overwrite`) });
  test.match(cli('bench', a, taken, '--size', '2M', '--rw', 'read'), { status: 2, stderr: /taken has 1048576 bytes: a size of 2097152 is larger/ });
  test.match(cli('bench', a, a, '--size', '1M', '--rw', 'read'), { status: 2, stderr: /a is given twice, and nothing is there: give two names, or a folder twice/ });
  test.match(cli('bench', a, '/nowhere/at/all', '--size', '1M'), { status: 1, stderr: /ENOENT/ });
  test.match(cli('bench', a, taken, '--html', taken), { status: 2, stderr: /--html would overwrite/ });
  test.strictSame(readdirSync(dir), ['taken'], 'nothing is left');
  test.end();
});

t.test('after a signal, the report has the rounds until then of each target', async (test) => {
  const dir = folder(test);
  const [a, b] = [join(dir, 'a'), join(dir, 'b')];
  const child = spawn(process.execPath, [MAIN, 'bench', a, b, '--size', '1M', ...BRIEF, '--repeats', '500', '--write_lat_log', join(dir, 'log'), '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = once(child, 'close');
  // A log of the second round is there when the first round has ended.
  while (!existsSync(join(dir, 'log-1-randread-4k-sync-2_lat.1.log'))) await delay(20);
  child.kill('SIGINT');
  test.strictSame(await ended, [130, null]);
  const { jobs, 'node-dax': reports, 'node-dax-targets': comparisons } = JSON.parse(output) as Fio;
  test.match(reports, [{ subject: { path: a }, complete: false }, { subject: { path: b }, complete: false }]);
  test.ok(reports.every(({ rounds }) => rounds > 0));
  test.equal(jobs.length, 4);
  test.equal(comparisons[0]?.figures.length, 4);
  test.strictSame(readdirSync(dir).filter((name) => !name.startsWith('log-')), [], 'the files that were made are removed');
});
