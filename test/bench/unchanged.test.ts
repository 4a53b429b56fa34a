// A job that only reads changes nothing of what is there: not by any driver, nor by any engine of the real fio.

import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeTrial } from '../../lib/bench/trials/contender.js';
import type { Target } from '../../lib/bench/drivers/driver.js';
import { fioContenders, fioVersion } from '../../lib/bench/trials/fio.js';
import { DEFAULTS, type Job } from '../../lib/bench/jobs/job.js';
import type { Report } from '../../lib/bench/report/report.js';
import { benchPath, prepare } from '../../lib/bench/subject.js';
import { cli, MAIN } from '../helpers/cli.js';
import { sample } from '../helpers/thorough.js';

// Each trial is a process, and a machine may have other things to do.
t.setTimeout(300_000);

const SIZE = 256 * 1024;
const BRIEF = ['--runtime', '20ms', '--ramp_time', '0', '--repeats', '1', '--json'];
const FEW = sample(['view', 'async', 'fs', 'fio-psync', 'fio-mmap'], 2).flatMap((key) => ['--driver', key]);
const FIO = sample(fioContenders().map(({ key }) => key), 3);
// What fio would take for something else in a name of its own.
const NAMES = sample(['a:b', ' blank ', 'x#y;'], 3);

const missing = fioVersion() === undefined && 'fio is not installed: apt-get install fio';
if (missing !== false && process.env['CI'] === 'true') t.fail(missing);

function folder(test: Test): string {
  const path = mkdtempSync('/dev/shm/node-dax-test-unchanged-');
  test.teardown(() => {
    rmSync(path, { recursive: true });
  });
  return path;
}

function precious(dir: string, name = 'precious'): string {
  const path = join(dir, name);
  writeFileSync(path, randomBytes(SIZE));
  return path;
}

/** All that is known of the files in a folder but when they were read. */
function stateOf(dir: string): unknown {
  return readdirSync(dir).map((name) => {
    const { ino, size, blocks, mode, nlink, mtimeNs, ctimeNs } = statSync(join(dir, name), { bigint: true });
    return { name, ino, size, blocks, mode, nlink, mtimeNs, ctimeNs, hash: createHash('sha256').update(readFileSync(join(dir, name))).digest('hex') };
  });
}

function bench(path: string, ...args: string[]) {
  const { status, stdout, stderr } = cli('bench', path, ...BRIEF, ...args);
  const report = status === 2 ? undefined : (JSON.parse(stdout) as { 'node-dax': Report })['node-dax'];
  return { status, stderr, results: report?.results ?? [] };
}

/** Who did each job of a run, and who failed. */
function turns({ results }: ReturnType<typeof bench>) {
  return results.map(({ groups, absent }) => ({
    ran: groups.flatMap(({ rows }) => rows.map(({ driver }) => driver)),
    failed: absent.filter(({ why }) => why.startsWith('failed')),
  }));
}

for (const [rw, size] of sample([['randread', SIZE / 2], ['read', SIZE]] as const, 2)) {
  t.test(`every driver, ${rw} of ${size} bytes`, (test) => {
    const dir = folder(test);
    const path = precious(dir);
    const before = stateOf(dir);
    const found = bench(path, '--rw', rw, '--size', `${size}`);
    test.equal(found.status, 0, found.stderr);
    test.strictSame(stateOf(dir), before);
    for (const { ran, failed } of turns(found)) {
      test.strictSame(failed, []);
      test.ok(['view', 'sync', 'async', 'fs', 'filehandle'].every((key) => ran.includes(key)), ran.join(' '));
    }
    test.end();
  });
}

t.test('two threads, and blocks to be verified', (test) => {
  const dir = folder(test);
  const path = precious(dir);
  const before = stateOf(dir);
  for (const more of [['--numjobs', '2'], ['--verify', 'md5']]) {
    const { results } = bench(path, '--rw', 'randread', '--size', '64k', ...more, ...FEW);
    test.equal(results.length, 1, more.join(' '));
  }
  test.strictSame(stateOf(dir), before);
  test.end();
});

t.test('a size beyond the end', (test) => {
  const dir = folder(test);
  const path = precious(dir);
  const before = stateOf(dir);
  test.match(bench(path, '--rw', 'read', '--size', '1M'), { status: 2, stderr: /a size of 1048576 is larger/ });
  test.match(bench(path, '--rw', 'write', '--size', '1M', '--yes-overwrite'), { status: 2, stderr: /a size of 1048576 is larger/ });
  test.strictSame(stateOf(dir), before);
  test.end();
});

t.test('a file that only its owner may write, read by another', { skip: process.getuid?.() !== 0 && 'another user is made by root' }, (test) => {
  const dir = folder(test);
  const path = precious(dir);
  chmodSync(dir, 0o755);
  chmodSync(path, 0o444);
  const before = stateOf(dir);
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'bench', path, ...BRIEF, ...FEW, '--rw', 'randread'], { encoding: 'utf8', uid: 65534 });
  test.equal(status, 0, stderr);
  const { results } = (JSON.parse(stdout) as { 'node-dax': Report })['node-dax'];
  test.strictSame(results.flatMap(({ absent }) => absent).filter(({ why }) => why.startsWith('failed')), []);
  test.strictSame(stateOf(dir), before);
  test.end();
});

t.test('the files of a folder', (test) => {
  const dir = folder(test);
  precious(dir);
  const before = stateOf(dir);
  test.equal(bench(dir, '--rw', 'randrw', '--size', '64k', ...FEW).status, 0);
  test.strictSame(stateOf(dir), before, 'what is made in it is removed');
  test.end();
});

t.test('the page of a report does not take the place of what was measured', (test) => {
  const dir = folder(test);
  const path = precious(dir);
  const before = stateOf(dir);
  test.match(bench(path, '--rw', 'read', '--html', join(dir, '.', 'precious')), { status: 2, stderr: /--html would overwrite/ });
  test.match(cli('bench', '--from', path, '--html', path), { status: 2, stderr: /--html would overwrite/ });
  test.strictSame(stateOf(dir), before);
  test.end();
});

t.test('every engine of fio, by whatever name', { skip: missing }, (test) => {
  const dir = folder(test);
  for (const name of NAMES) {
    const path = precious(dir, name);
    const before = stateOf(dir);
    const found = bench(path, '--rw', 'read', '--bs', '64k', ...FIO.flatMap((key) => ['--driver', key]));
    test.strictSame(turns(found)[0]?.failed, [], name);
    test.ok(turns(found)[0]?.ran.some((key) => FIO.includes(key)), name);
    test.strictSame(stateOf(dir), before, name);
    rmSync(path);
  }
  test.end();
});

t.test('an engine of fio alone, on a file that has become shorter than it was', { skip: missing }, async (test) => {
  const dir = folder(test);
  const path = precious(dir);
  const before = stateOf(dir);
  const target: Target = { path, kind: 'file', granularity: 'page', isDax: false, isMade: false, folder: undefined, force: false };
  for (const rw of sample(['read', 'randread'] as const, 2)) {
    const job: Job = { ...DEFAULTS, rw, bs: 4096, size: 2 * SIZE, runtime: 0.02, time_based: true };
    for (const contender of sample(fioContenders().filter(({ key }) => !['fio-libpmem', 'fio-dev-dax'].includes(key)), 3)) {
      // Whether it reads what there is or fails is its own affair.
      await makeTrial(contender, job, target).catch(() => undefined);
      test.strictSame(stateOf(dir), before, `${contender.key} ${rw}`);
    }
  }
  const job: Job = { ...DEFAULTS, rw: 'write', bs: 4096, size: 2 * SIZE };
  for (const contender of fioContenders().filter(({ key }) => key === 'fio-psync')) {
    await test.rejects(makeTrial(contender, job, target));
    test.strictSame(stateOf(dir), before, 'nor does one that writes remove it to make a longer one');
  }
});

t.test('something that comes to the place of the file that is made', (test) => {
  const dir = folder(test);
  const path = join(dir, 'link');
  const place = benchPath(path);
  symlinkSync(precious(dir), path);
  const before = stateOf(dir);
  test.throws(() => prepare(place, 4096, false, false), { code: 'EEXIST' });
  test.strictSame(stateOf(dir), before);
  test.end();
});
