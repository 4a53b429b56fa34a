// Several targets in one run: the same jobs on each, tables that compare what has the same promise, nothing measured where one cannot
// be, and after a signal a report that says what was not measured.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { COPIED, durable, KNOWN } from '../../lib/bench/drivers/driver.js';
import { DEFAULTS, nameOf, type Job } from '../../lib/bench/jobs/job.js';
import { fromFio } from '../../lib/bench/report/fio-json.js';
import type { JobResult, Report, Subject } from '../../lib/bench/report/report.js';
import { compareTargets, targetTable, type TargetComparison } from '../../lib/bench/report/targets.js';
import { spread, type Trial } from '../../lib/bench/trials/figures.js';
import { cli, MAIN } from '../helpers/cli.js';

t.setTimeout(300_000);

const BRIEF = ['--runtime', '20ms', '--ramp_time', '20ms', '--repeats', '1', '--rw', 'randread', '--driver', 'sync', '--driver', 'fs'];
const TOOL = '/usr/bin/fio_jsonplus_clat2csv';

const [kept] = fromFio(readFileSync(join(__dirname, '..', '..', '..', 'benchmarks', 'results', 'guest-ext4.json'), 'utf8'));
const FIGURES: Trial = { seconds: 1, usr_cpu: 0, sys_cpu: 0, ctx: 0, majf: 0, minf: 0 };

/** A report of one job, with the operations a second of each driver. */
function report(path: string, subject: Partial<Subject>, more: Partial<Job>, done: string, drivers: Readonly<Record<string, number>>): Report {
  const job: Job = { ...DEFAULTS, rw: 'randread', bs: 4096, size: 1024 ** 2, ...more };
  const rows = Object.entries(drivers).map(([driver, iops]) => ({ driver, name: driver, how: '', figures: FIGURES, iops: spread([iops]), rounds: [iops] }));
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
    ['sync', '1', '100', '1'], ['', '2', '50', '0.5'], ['', '3', '300', '3'],
    ['fs', '1', '10', '1'], ['', '2', '20', '2'],
    ['direct', '1', '5', '1'], ['', '2', '1', '0.2'],
  ]);
  const medium = 'the medium itself, no cache of the kernel between';
  test.strictSame(found?.caveats, [
    `Not the same for sync, fs: on /pmem ${medium}; on /disk the page cache.`,
    `Not the same for direct: on /pmem ${medium}; on /disk the device, past the page cache.`,
  ]);
  test.end();
});

t.test('what is not promised alike is not compared', (test) => {
  const ratios = (comparisons: readonly TargetComparison[]): (number | undefined)[] => comparisons.flatMap(({ figures }) => figures.map(({ ratio }) => ratio));
  const write = { rw: 'randwrite' } as const;
  for (const [one, other] of [[memory, dax], [dax, memory]] as const) {
    const found = compareTargets([report('/a', one, write, durable(1), { sync: 2 }), report('/b', other, write, durable(1), { sync: 1 })]);
    test.strictSame(ratios(found), [1, undefined]);
    test.strictSame(found[0] && targetTable(found[0]).rows[1], ['', '2', '1', '-']);
    test.strictSame(found[0]?.caveats, ['Writes to /b are not compared with those to /a: on tmpfs, no write is durable.']);
  }
  const alike = compareTargets([report('/a', memory, write, durable(1), { sync: 2 }), report('/b', memory, write, durable(1), { sync: 1 })]);
  test.strictSame(ratios(alike), [1, 0.5]);
  test.strictSame(alike[0]?.caveats, []);
  const read = compareTargets([report('/a', memory, {}, COPIED, { sync: 2 }), report('/b', dax, {}, COPIED, { sync: 1 })]);
  test.strictSame(ratios(read), [1, 0.5]);
  test.match(read[0]?.caveats, [/on \/a ordinary memory; on \/b the medium itself/]);
  const files = { rw: 'filestat' } as const;
  const stats = compareTargets([report('/a', memory, files, KNOWN, { fs: 2 }), report('/b', dax, files, KNOWN, { fs: 1 })]);
  test.strictSame([ratios(stats), stats[0]?.caveats], [[1, 0.5], ['Not the same for fs: on /a tmpfs; on /b ext4.']]);
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
    test.equal(ratio, iops / (figures[index - (index % 2)]?.iops ?? NaN), 'against the first target');
  }
  const logs = readdirSync(dir).filter((name) => name.startsWith('log')).sort();
  test.strictSame(logs, [1, 2].flatMap((target) => ['fs', 'sync'].map((driver) => `log-${target}-randread-4k-${driver}-1_lat.1.log`)));
  const kept = join(dir, 'result.json');
  writeFileSync(kept, stdout);
  const shown = cli('bench', '--from', kept);
  test.equal(shown.status, 0, shown.stderr);
  test.equal(shown.stdout.match(/^target: /gm)?.length, 2);
  test.match(shown.stdout, new RegExp(`\\nTargets: 1 is ${a}, 2 is ${b}\\n\\nrandread 4k: ${COPIED}\\n\\nDRIVER +TARGET +IOPS +× 1\\nnode-dax sync +1 .* 1\\n +2 .*\\nfs sync +1 .* 1\\n +2 .*\\n$`));
  test.match(cli('bench', '--from', kept, '--html', join(dir, 'page.html')), { status: 2, stderr: /--html is of one target, not of 2/ });
  test.match(cli('bench', a, '--compare', kept), { status: 2, stderr: /--compare is of one target, not of 2/ });
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
  test.match(cli('bench', a, taken, '--html', join(dir, 'page.html')), { status: 2, stderr: /--html is of one target, not of 2/ });
  test.strictSame(readdirSync(dir), ['taken'], 'nothing is left');
  test.end();
});

t.test('after a signal, the targets whose turn did not come are named, with nothing measured', async (test) => {
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
  test.match(reports, [{ subject: { path: a }, complete: false }, { subject: { path: b }, complete: false, rounds: 0 }]);
  test.ok((reports[0]?.rounds ?? 0) > 0);
  test.strictSame(reports[1]?.results[0]?.absent.map(({ driver, why }) => [driver, why]), [['sync', 'it was not its turn yet'], ['fs', 'it was not its turn yet']]);
  test.ok(jobs.length > 0 && jobs.every(({ 'job options': { filename } }) => filename === a));
  test.strictSame(comparisons, []);
  test.strictSame(readdirSync(dir).filter((name) => !name.startsWith('log-1-')), [], 'the files that were made are removed');
  const source = join(dir, 'result.json');
  writeFileSync(source, output);
  test.match(cli('bench', '--from', source).stdout, new RegExp(`target: +${b}: [^]*Nothing was measured here\\.\\n\\nNo driver did a job on the first target and on another`));
});
