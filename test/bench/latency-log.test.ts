// Latency logs: in the format that fio itself writes, and that its own tool reads.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DEFAULTS, type Job } from '../../lib/bench/jobs/job.js';
import { fioVersion } from '../../lib/bench/trials/fio.js';
import { LatencyLog } from '../../lib/bench/trials/latency-log.js';
import { measure } from '../../lib/bench/trials/measure.js';
import { cli } from '../helpers/cli.js';
import { scratchPath } from '../helpers/devices.js';

t.setTimeout(300_000);

const OPTIONS = ['--size', '1M', '--runtime', '30ms', '--ramp_time', '10ms', '--repeats', '2'];
const TOOL = '/usr/bin/fio2gnuplot';

function linesOf(path: string): number[][] {
  return readFileSync(path, 'utf8').trim().split('\n').map((line) => line.split(', ').map(Number));
}

t.test('each thread of each trial has a log in the format of fio', (test) => {
  const folder = test.testdir({});
  const fio = fioVersion() === undefined ? [] : ['--driver', 'fio-psync'];
  const ran = cli('bench', scratchPath(test), ...OPTIONS, '--rw', 'randrw', '--numjobs', '2', '--driver', 'fs', '--driver', 'filehandle', ...fio, '--write_lat_log', join(folder, 'log'));
  test.equal(ran.status, 0, ran.stderr);
  const own = readdirSync(folder).filter((name) => !name.includes('psync')).sort();
  const names = ['filehandle', 'fs'].flatMap((driver) => [1, 2].flatMap((round) => [1, 2].map((thread) => `log-randrw-4k-rwmixread-50-numjobs-2-${driver}-${round}_lat.${thread}.log`)));
  test.strictSame(own, names);
  for (const name of own) {
    const lines = linesOf(join(folder, name));
    test.ok(lines.length > 0, name);
    test.ok(lines.every((line) => line.length === 5), 'five columns');
    test.ok(lines.every(([end = -1, took = 0]) => Number.isInteger(end) && end >= 0 && Number.isInteger(took) && took > 0));
    test.strictSame(lines.map(([end]) => end), lines.map(([end]) => end).sort((a = 0, b = 0) => a - b), 'as they ended');
    test.ok(lines.every(([, , , bytes, priority]) => bytes === 4096 && priority === 0));
  }
  const directions = own.flatMap((name) => linesOf(join(folder, name)).map(([, , direction]) => direction));
  test.strictSame([...new Set(directions)].sort(), [0, 1], 'reads and writes');
  test.test('as fio', { skip: fio.length === 0 && 'fio is not installed: apt-get install fio' }, (sub) => {
    const [theirs = ''] = readdirSync(folder).filter((name) => name.endsWith('psync-1_lat.1.log'));
    sub.ok(linesOf(join(folder, theirs)).every((line) => line.length === 5), 'fio writes as many columns');
    sub.end();
  });
  test.test('fio2gnuplot', { skip: !existsSync(TOOL) && `there is no ${TOOL}: apt-get install fio` }, (sub) => {
    const [name = ''] = own.filter((log) => log.includes('-fs-1_'));
    const made = spawnSync(TOOL, ['-v', '-p', name, '-d', folder], { cwd: folder, encoding: 'utf8' });
    sub.equal(made.status, 0, made.stdout + made.stderr);
    sub.match(made.stdout, /1 files Selected/);
    const [global = ''] = readdirSync(folder).filter((file) => file.endsWith('.global'));
    const longest = Number(/^max=([\d.]+)$/m.exec(readFileSync(join(folder, global), 'utf8'))?.[1]);
    // It leaves out what ended within the first millisecond.
    const latencies = linesOf(join(folder, name)).flatMap(([end = 0, took = 0]) => (end > 0 ? [took] : []));
    sub.equal(longest, Math.max(...latencies), 'it finds the longest');
    sub.end();
  });
  test.end();
});

t.test('a log of a rate counts from when an operation was due, and nothing of the ramp', (test) => {
  const folder = test.testdir({});
  const ran = cli('bench', scratchPath(test), ...OPTIONS, '--rw', 'randread', '--rate_iops', '1000', '--driver', 'fs', '--write_lat_log', join(folder, 'log'));
  test.equal(ran.status, 0, ran.stderr);
  const lines = linesOf(join(folder, 'log-randread-4k-rate_iops-1000-fs-1_lat.1.log'));
  test.ok(lines.length > 0 && lines.length <= 30, `${lines.length} operations were due`);
  test.match(cli('bench', scratchPath(test), '--write_lat_log', '/nowhere/log'), { status: 1, stderr: /ENOENT/ }, 'before it measures');
  test.end();
});

t.test('lines are in the order in which operations ended, as far as they were written', (test) => {
  const path = join(test.testdir({}), 'log');
  const log = new LatencyLog(path, 512);
  log.add(3.5, 30, true);
  log.add(1.5, 10, false);
  test.equal(readFileSync(path, 'utf8'), '');
  log.write();
  const first = '1, 10, 0, 512, 0\n3, 30, 1, 512, 0\n';
  test.equal(readFileSync(path, 'utf8'), first);
  log.add(4, 40, false);
  log.close();
  test.equal(readFileSync(path, 'utf8'), `${first}4, 40, 0, 512, 0\n`);
  test.end();
});

/** A log that knows how many of its lines are not written yet. */
class Watched extends LatencyLog {
  added = 0;
  pending = 0;

  override add(end: number, nanoseconds: number, isWrite: boolean): void {
    this.added += 1;
    this.pending += 1;
    super.add(end, nanoseconds, isWrite);
  }

  override write(): void {
    this.pending = 0;
    super.write();
  }
}

t.test('a long trial keeps few lines in memory', async (test) => {
  const block = new Uint8Array(512);
  const most = async (more: Partial<Job>): Promise<{ added: number; kept: number; lines: number }> => {
    const path = join(test.testdir({}), 'log');
    const log = new Watched(path, 512);
    let kept = 0;
    const read = (): void => {
      kept = Math.max(kept, log.pending);
    };
    const operations = { awaited: false, source: () => block, found: () => block, read, write: read, close: () => undefined };
    await measure({ ...DEFAULTS, rw: 'read', bs: 512, size: 512 * 1000, ramp_time: 0, ...more }, operations, 0, () => undefined, log);
    log.close();
    return { added: log.added, kept, lines: linesOf(path).length };
  };
  const flatOut = await most({ loops: 1000 });
  test.equal(flatOut.kept, 0, 'what is timed singly is written before the next window');
  test.ok(flatOut.added > 1 && flatOut.lines === flatOut.added, `${flatOut.lines} lines of ${flatOut.added} operations`);
  const rated = await most({ rate_iops: 10_000 });
  test.strictSame(rated, { added: 1000, kept: 63, lines: 1000 }, 'with a rate, it is written after 64 operations');
});
