// The command `bench`: what it prints and writes, what it leaves alone, and how it ends.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Report } from '../../lib/bench/report/report.js';
import { cli, MAIN, type Ran } from '../helpers/cli.js';
import { sample, THOROUGH } from '../helpers/thorough.js';

// Each trial is a process, and a machine may have other things to do.
t.setTimeout(300_000);

const BRIEF = ['--runtime', '20ms', '--ramp_time', '20ms', '--repeats', '1', '--size', '1M'];
const ALL = ['view', 'sync', 'async', 'fs', 'direct', 'filehandle'];

function drivers(...names: string[]): string[] {
  return names.flatMap((name) => ['--driver', name]);
}

/** All drivers in a thorough run, else those named. */
function some(...names: string[]): string[] {
  return THOROUGH ? ALL : names;
}

const OWN = drivers(...ALL);

function bench(...args: string[]): Ran {
  return cli('bench', ...args);
}

/** A folder in memory, removed when the test ends. */
function folder(test: Test): string {
  const path = mkdtempSync('/dev/shm/node-dax-test-bench-');
  test.teardown(() => {
    rmSync(path, { recursive: true });
  });
  return path;
}

/** The processes that a process of one thread has started, and that have not ended. */
function childrenOf(pid: number | undefined): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter((child) => child !== '');
}

interface Fio {
  jobs: { jobname: string; groupid: number; error: number; read: Moved; write: Moved; 'job options': Record<string, string> }[];
  'node-dax': Report;
}
interface Moved {
  io_bytes: number;
  total_ios: number;
  iops: number;
  bw_bytes: number;
  lat_ns: { N: number; mean: number; percentile?: Record<string, number> };
}

t.test('the table', (test) => {
  const dir = folder(test);
  const { status, stdout, stderr } = bench(join(dir, 'new'), ...BRIEF, ...OWN, '--rw', 'randread', ...(THOROUGH ? ['--rw', 'write'] : []));
  test.strictSame({ status, stderr }, { status: 0, stderr: '' });
  test.match(stdout, /^4 KiB random reads: a view is [\d.]+ times, readSync [\d.]+ times, await read [\d.]+ times what O_DIRECT gives here/, 'the answer first');
  test.match(stdout, /command: +node-dax bench .* --rw \w+\n/);
  test.match(stdout, /warning: The file is on tmpfs/);
  test.match(stdout, /randread 4k: the program has loaded from every cache line[^\n]*\n\nDRIVER.*\nnode-dax view /);
  test.match(stdout, /randread 4k: the bytes are in the program’s own memory\n\nDRIVER .*× FS O_DIRECT\nnode-dax sync .*\nnode-dax async .*\nfs sync .*\nfs O_DIRECT .* 1\nFileHandle /);
  if (THOROUGH) test.match(stdout, /write 4k: the bytes survive a power cut, as far as the medium does\n\n(?:.*\n){7}/);
  test.strictSame(readdirSync(dir), [], 'the file is removed');
  test.end();
});

t.test('JSON in the shape of fio', (test) => {
  const dir = folder(test);
  const names = some('view', 'fs', 'direct');
  const { status, stdout } = bench(dir, ...BRIEF, ...drivers(...names), '--rw', 'randrw', '--bs', '4k', '--bs', '16k', '--json');
  test.equal(status, 0);
  const { jobs, 'node-dax': report } = JSON.parse(stdout) as Fio;
  test.equal(jobs.length, 2 * names.length);
  test.strictSame([...new Set(jobs.map(({ groupid }) => groupid))], [0, 1]);
  for (const { jobname, error, read, write, 'job options': options } of jobs) {
    test.equal(error, 0);
    for (const moved of [read, write]) {
      test.ok(moved.total_ios > 0 && moved.iops > 0 && moved.lat_ns.N > 0, jobname);
      test.equal(moved.io_bytes, moved.total_ios * Number(options['bs']));
      test.ok(Math.abs(moved.bw_bytes / (moved.iops * Number(options['bs'])) - 1) < 1e-3);
    }
    test.match(options, { rw: 'randrw', size: '1048576', numjobs: '1', fdatasync: '1', time_based: '1' });
  }
  test.match(report, { complete: true, rounds: 1, subject: { filesystem: 'tmpfs', granularity: 'page', isDax: false } });
  test.equal(report.results[0]?.groups[1]?.base, 'fs O_DIRECT');
  test.strictSame(readdirSync(dir), [], 'a file made in a folder is removed');

  const kept = join(dir, 'result.json');
  writeFileSync(kept, stdout);
  const shown = bench('--from', kept, '--html', join(dir, 'page.html'), '--svg', join(dir, 'svg'));
  test.equal(shown.status, 0, shown.stderr);
  test.match(shown.stdout, new RegExp(`when: +${report.started}`));
  test.match(readFileSync(join(dir, 'page.html'), 'utf8'), /^<!doctype html>/);
  const pictures = readdirSync(join(dir, 'svg'));
  test.ok(pictures.includes('bandwidth-randrw-1.svg') && pictures.includes('latency-randrw-16k-rwmixread-50-2.svg'), pictures.join(' '));
  for (const name of pictures) test.match(readFileSync(join(dir, 'svg', name), 'utf8'), /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"[^>]*><style>/);
  const other = join(dir, 'other.json');
  const doubled = JSON.parse(stdout) as { 'node-dax': { results: { groups: { rows: { driver: string; iops: { median: number } }[] }[] }[] } };
  for (const row of doubled['node-dax'].results.flatMap(({ groups }) => groups.flatMap(({ rows }) => rows))) if (row.driver === 'fs') row.iops.median *= 0.9;
  writeFileSync(other, JSON.stringify(doubled));
  const slower = bench('--from', other, '--compare', kept);
  test.match(slower, { status: 1, stdout: /\nJOB +DRIVER +OLD +NEW +RATIO\n[^]*randrw 4k rwmixread=50 +fs sync .* 0.9 +slower\n/ });
  test.equal(slower.stdout.split(/slower$/m).length - 1, 2, 'of both block sizes, and no other driver');
  test.equal(bench('--from', other, '--compare', kept, '--threshold', '10.1%').status, 0);
  test.equal(bench('--from', kept, '--compare', other).status, 0, 'what is faster is no failure');
  const changes = JSON.parse(bench('--from', other, '--compare', kept, '--json').stdout) as { 'node-dax-compare': { driver: string; isSlower: boolean }[] };
  test.strictSame([...new Set(changes['node-dax-compare'].filter(({ isSlower }) => isSlower).map(({ driver }) => driver))], ['fs']);
  doubled['node-dax'].results = [];
  writeFileSync(other, JSON.stringify(doubled));
  test.match(bench('--from', kept, '--compare', other), { status: 2, stderr: /nothing can be compared/ });
  writeFileSync(kept, '{"jobs":[]}');
  test.match(bench('--from', kept), { status: 1, stderr: /no result of node-dax bench/ });
  test.end();
});

t.test('nothing is overwritten that was not given', (test) => {
  const path = join(folder(test), 'precious');
  const content = Buffer.alloc(2 * 1024 ** 2, 'precious');
  writeFileSync(path, content);
  const few = [path, ...BRIEF, ...drivers('sync', 'fs')];
  test.match(bench(...few, '--rw', 'randwrite'), { status: 2, stderr: /--yes-overwrite/ });
  test.match(bench(path, '--preset', 'log'), { status: 2, stderr: /--yes-overwrite/ });
  test.equal(bench(...few, '--rw', 'randread').status, 0, 'reading asks for nothing');
  test.ok(readFileSync(path).equals(content));
  content.writeUInt16LE(0xef53, 1080);
  writeFileSync(path, content);
  test.match(bench(...few, '--rw', 'write', '--yes-overwrite'), { status: 1, stderr: /EBUSY.*carries ext2, ext3 or ext4; --force/ });
  test.ok(readFileSync(path).equals(content));
  const overwriting = THOROUGH ? [path, ...BRIEF] : few;
  test.equal(bench(...overwriting, '--rw', 'write', '--yes-overwrite', '--force').status, 0, 'by all drivers, those of fio too, in a thorough run');
  test.notOk(readFileSync(path).subarray(0, 1024 ** 2).equals(content.subarray(0, 1024 ** 2)));
  test.ok(readFileSync(path).subarray(1024 ** 2).equals(content.subarray(1024 ** 2)), 'nothing behind --size');
  test.match(bench(path, '--size', '4M', '--rw', 'read'), { status: 2, stderr: /2097152 bytes/ });
  test.end();
});

t.test('what was written is verified', (test) => {
  const path = join(folder(test), 'new');
  const names = some('sync', 'filehandle');
  const options = [...drivers(...names), '--loops', '1', '--ramp_time', '0', '--verify', 'sha256', '--size', '256k', '--repeats', '1', '--json'];
  const { status, stdout, stderr } = bench(path, ...options, '--rw', 'write', '--rw', 'read');
  test.equal(status, 0, stderr);
  const { results } = (JSON.parse(stdout) as Fio)['node-dax'];
  test.equal(results.length, 2);
  for (const { groups, absent } of results) {
    test.strictSame(absent, []);
    for (const { figures, driver } of groups.flatMap(({ rows }) => rows)) test.equal(figures.verified, 64, driver);
  }
  const unwritten = bench(path, ...options, '--rw', 'read');
  test.equal(unwritten.status, 1, 'a driver that fails is told of, and the exit status too');
  const [result] = (JSON.parse(unwritten.stdout) as Fio)['node-dax'].results;
  test.equal(result?.absent.length, names.length);
  test.match(result?.absent[0]?.why, /failed: verify: the block at 0 is not what a job with --verify sha256 wrote there/);
  test.end();
});

t.test('what was written to a device of several is verified, and a byte that is changed below it is found', (test) => {
  const path = join(folder(test), 'halves');
  const size = 8 * 1024 ** 2;
  writeFileSync(path, Buffer.alloc(size));
  const options = [path, '--loops', '1', '--ramp_time', '0', '--verify', 'sha256', '--size', `${size}`, '--bs', '64k', '--repeats', '1', '--json'];
  const verified = (by: string, ...modes: string[]): { status: number | null; report: Report } => {
    const { status, stdout } = bench(...options, ...drivers(by), ...modes.flatMap((mode) => ['--rw', mode]), '--yes-overwrite');
    return { status, report: (JSON.parse(stdout) as Fio)['node-dax'] };
  };
  const { status, report } = verified('striped', 'write', 'randrw', 'read');
  test.equal(status, 0);
  for (const { name, groups, absent } of report.results) {
    test.strictSame(absent, []);
    test.equal(groups[0]?.rows[0]?.driver, 'striped', name);
    test.ok((groups[0]?.rows[0]?.figures.verified ?? 0) > 0, name);
  }
  test.equal(report.results[2]?.groups[0]?.rows[0]?.figures.verified, size / 65_536, 'every block');
  const [plain] = verified('sync', 'read').report.results;
  test.match(plain?.absent[0]?.why, /verify: the block at 2097152 is not/, 'the second chunk is the first of the other half');
  const content = readFileSync(path);
  const at = 5 * 1024 ** 2 + 1000;
  content[at] = (content[at] ?? 0) ^ 1;
  writeFileSync(path, content);
  const [spoilt] = verified('striped', 'read').report.results;
  // The byte lies in the first chunk of the second half, at 1 MiB and 1000 bytes: in the second chunk of the device.
  test.match(spoilt?.absent[0]?.why, new RegExp(`verify: the block at ${2 * 1024 ** 2 + 1024 ** 2} is not`));
  test.match(bench(path, ...drivers('striped'), '--size', '1M', '--rw', 'read').stderr, /multiple of 4194304/);
  test.end();
});

t.test('threads, rates and syncs', (test) => {
  const dir = folder(test);
  const rated = bench(dir, ...drivers(...some('view', 'async')), '--rw', 'write', '--rate_iops', '500', '--runtime', '100ms', '--repeats', '1', '--size', '1M', '--json');
  test.equal(rated.status, 0, rated.stderr);
  for (const { jobname, write } of (JSON.parse(rated.stdout) as Fio).jobs) {
    test.ok(write.total_ios <= 50 && write.total_ios > 0, `${jobname}: ${write.total_ios}`);
  }
  const names = some('sync', 'async');
  const threads = bench(dir, ...BRIEF, ...drivers(...names), '--rw', 'randrw', '--numjobs', '2', '--fdatasync', '4', '--json');
  test.equal(threads.status, 0, threads.stderr);
  const [result] = (JSON.parse(threads.stdout) as Fio)['node-dax'].results;
  test.equal(result?.groups.flatMap(({ rows }) => rows).length, names.length - 1);
  test.match(result?.absent, [{ driver: 'async', why: 'there is no awaited persist' }]);
  test.end();
});

t.test('several operations under way', (test) => {
  const dir = folder(test);
  const names = ['sync', 'async', 'direct', 'filehandle-direct', 'filehandle'];
  const { status, stdout, stderr } = bench(dir, ...BRIEF, ...drivers(...names), '--rw', 'randread', '--iodepth', '8');
  test.equal(status, 0, stderr);
  test.match(stdout, /^4 KiB random reads \(iodepth=8\): readSync is .* what O_DIRECT with 8 under way gives here/);
  test.match(stdout, /× FILEHANDLE O_DIRECT\n/);
  const single = bench(dir, ...BRIEF, ...drivers('fs', 'filehandle-direct'), '--rw', 'randread');
  test.match(single.stdout, /without FileHandle O_DIRECT: for --iodepth above 1/);
  test.end();
});

// The table above shows it of one job.
if (THOROUGH) t.test('drivers of different promises share no table', (test) => {
  const { stdout } = bench(folder(test), ...BRIEF, ...OWN, '--rw', 'write', '--fdatasync', '0', '--json');
  const groups = (JSON.parse(stdout) as Fio)['node-dax'].results[0]?.groups ?? [];
  test.strictSame(
    groups.map(({ rows }) => rows.map(({ driver }) => driver)),
    [['view', 'sync', 'async', 'fs', 'filehandle'], ['direct']],
    'O_DIRECT alone promises that the device has taken the bytes',
  );
  test.equal(groups[0]?.base, 'fs sync');
  test.equal(groups[1]?.base, undefined);
  test.end();
});

for (const [signal, wanted] of sample([['SIGINT', 130], ['SIGTERM', 143]] as const, 2)) t.test(`an interruption by ${signal} leaves a partial report and no file`, async (test) => {
  const dir = folder(test);
  const child = spawn(process.execPath, [MAIN, 'bench', join(dir, 'new'), '--size', '4M', '--rw', 'read', '--runtime', '300ms', '--repeats', '50', '--json', ...OWN], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = once(child, 'close');
  // One trial was done, and another is going on.
  const trials = new Set<string>();
  while (trials.size < 2) {
    await delay(20);
    for (const pid of childrenOf(child.pid)) if (existsSync(join(dir, 'new'))) trials.add(pid);
  }
  child.kill(signal);
  const [status] = (await ended) as [number];
  test.equal(status, wanted);
  const report = (JSON.parse(output) as Fio)['node-dax'];
  test.equal(report.complete, false);
  test.strictSame(readdirSync(dir), []);
});

t.test('wrong usage', (test) => {
  const dir = folder(test);
  const wrong: [string[], RegExp][] = [
    [[], /give a PATH/],
    [[dir, '--from', __filename], /not both/],
    [[dir, '--threshold', '5%'], /is of --compare/],
    [[dir, '--compare', __filename, '--threshold', '100%'], /no threshold/],
    [[dir, '--bs', '3'], /--bs is a multiple of 64 bytes, a cache line, not 3: 512, 4k, 1M/],
    [[dir, '--bs', '3000', '--rw', 'read'], /multiple of 64/],
    [[dir, '--bs', '2G', '--size', '4G'], /--bs is a whole number from 1 to 1073741824|bytes free/],
    [[dir, '--size', '8000T'], /bytes free/],
    [[dir, '--runtime', '0'], /--runtime is more than 0/],
    [[dir, '--numjobs', '257'], /from 1 to 256, not 257/],
    [[dir, '--rwmixread', '101'], /from 0 to 100/],
    [[dir, '--preset', 'oltp', '--bs', '4k'], /cannot be used with option '--bs/],
    [[dir, '--driver', 'fs', '--base', 'direct'], /--base direct takes no part.*\(fs\)/],
    [[dir, '--size', '1M', '--driver', 'fio-dev-dax'], /no driver can do any of the jobs \(fio dev-dax: for devdax alone|fio is not installed/],
    [[dir, '--rw', 'fly'], /Allowed choices/],
    [[dir, '--rw', 'read,write'], /Allowed choices/],
    [[dir, '--bs', '0'], /not a size/],
    [[dir, '--bs', '4k', '--size', '1k'], /smaller --bs/],
    [[dir, '--runtime', 'long'], /not a time/],
    [[dir, '--random_distribution', 'zipf:1', '--rw', 'randread'], /zipf/],
    [[dir, '--driver', 'tape'], /Allowed choices are view, sync/],
    [[dir, '--preset', 'none'], /Allowed choices/],
    [[dir, '--numjobs', '0'], /from 1 on/],
    [[dir, '--cpus_allowed', '0,9999'], /--cpus_allowed 0,9999: this process may run on [\d, ]+ alone/],
    [[dir, '--cpus_allowed', 'all'], /list of processors such as 0-3,8/],
  ];
  for (const [args, message] of wrong) test.match(bench(...args), { status: 2, stderr: message }, args.join(' '));
  test.match(bench('/nowhere/at/all', '--size', '1M'), { status: 1, stderr: /ENOENT/ });
  test.match(bench(dir, '--html', '/nowhere/page.html'), { status: 1, stderr: /ENOENT/ }, 'before it measures');
  test.strictSame(readdirSync(dir), []);
  test.match(bench('--help'), { status: 0, stdout: /quick .*\n.*oltp[^]*\n {2}metadata {2}small files: / });
  test.end();
});
