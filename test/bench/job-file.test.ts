// Job files of fio: what they mean here is what they mean to fio, and what does not is refused by name.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { fileJobs, largestSize, parseJobFile } from '../../lib/bench/jobs/job-file.js';
import { fioVersion } from '../../lib/bench/trials/fio.js';
import { cli } from '../helpers/cli.js';
import { scratchPath } from '../helpers/devices.js';

const MIB = 1024 ** 2;

const FILE = `
; a comment, and another
# here
[global]
ioengine=libaio
direct=1
size=2m
runtime=20ms
time_based
ramp_time=10ms

[random reads]
rw=randread
blocksize=4k
random_distribution=zipf:1.2

[a mix]
stonewall
readwrite=randrw
rwmixread=70
bs=8kb
fdatasync=4
`;

t.test('the job file in the documents', (test) => {
  const [, text = ''] = /```ini\n(.*?)```/s.exec(readFileSync(join(__dirname, '..', '..', '..', 'docs', 'benchmarking.md'), 'utf8')) ?? [];
  const [reads, mix] = fileJobs(parseJobFile(text), MIB, {});
  test.match(reads, { rw: 'randread', bs: 4096, size: 64 * MIB, runtime: 0.5, time_based: true });
  test.match(mix, { rw: 'randrw', rwmixread: 70, bs: 8192 });
  test.end();
});

t.test('a file has the jobs that it has for fio', (test) => {
  const file = parseJobFile(FILE);
  test.strictSame(file.sections.map(({ name }) => name), ['random reads', 'a mix']);
  test.equal(largestSize(file), 2 * MIB);
  const [first, second] = fileJobs(file, MIB, {});
  const both = { size: 2 * MIB, runtime: 0.02, time_based: true, ramp_time: 0.01 };
  test.match(first, { ...both, rw: 'randread', bs: 4096, random_distribution: { kind: 'zipf', theta: 1.2 }, fdatasync: 1 });
  test.match(second, { ...both, rw: 'randrw', bs: 8192, rwmixread: 70, fdatasync: 4 });
  test.match(fileJobs(file, MIB, { runtime: 3, size: MIB })[0], { runtime: 3, size: MIB, rw: 'randread' }, 'the command line replaces it');
  test.match(fileJobs(parseJobFile('[one]\nrw=write'), MIB, {})[0], { size: MIB, bs: 4096, loops: 1, time_based: false, runtime: undefined }, 'it ends when the size is worked through');
  const steady = fileJobs(parseJobFile('[one]\nss=bw_slope:0.5%\nss_dur=1m\nsteadystate_ramp_time=5s'), MIB, {});
  test.match(steady[0], { steadystate: { criterion: 'bw_slope', limit: 0.5, isPercent: true }, steadystate_duration: 60, steadystate_ramp_time: 5 });
  test.strictSame(file.notes.map((note) => note.split(' ')[0]), ['ioengine', 'direct']);
  test.end();
});

t.test('what a file says that is not the same here is refused', (test) => {
  const wrong: [string, RegExp][] = [
    ['', /the file has no job/],
    ['[global]\nrw=read\n', /the file has no job/],
    ['rw=read\n[one]', /line 1: 'rw=read' is in no section/],
    ['[one]\nrw=read\nzonemode=zbd', /line 3: bench has no 'zonemode': leave it out, or take one of rw, bs, size/],
    ['[one]\nrw=trim', /line 2: rw=trim: it is one of read, write/],
    ['[one]\nrw = read', /line 2: 'rw = read' is not name=value/],
    ['[one]\nbs=4k,64k', /line 2: bs=4k,64k: it is a number of bytes/],
    ['[one]\nruntime=long', /line 2: runtime=long: 'long' is not a time/],
    ['[one]\nnumjobs=two', /line 2: numjobs=two: it is a whole number/],
    ['[one]\nss=iops', /line 2: steadystate=iops: 'iops' is no steady state/],
    ['[one]\nrw=read\n[two]\nrw=write', /\[two\]: fio does it at the same time.*stonewall/],
    ['[one]\nrw=read\n[two]\nstonewall=0\nrw=write', /stonewall/],
  ];
  for (const [text, message] of wrong) test.throws(() => parseJobFile(text), { name: 'RangeError', message }, JSON.stringify(text));
  test.throws(() => fileJobs(parseJobFile('[one]\nrw=read\n[two]\nstonewall\nrw=read'), MIB, {}), { message: /\[one\] and \[two\] are the same job here, read 4k/ });
  test.end();
});

t.test('fio itself reads the file so', { skip: fioVersion() === undefined && 'fio is not installed: apt-get install fio' }, (test) => {
  const folder = test.testdir({ 'jobs.fio': FILE.replace('libaio', 'psync') });
  const path = join(folder, 'jobs.fio');
  const { status, stdout, stderr } = spawnSync('fio', ['--parse-only', '--showcmd', path], { encoding: 'utf8' });
  test.equal(status, 0, stderr);
  test.match(stdout, /--name=random reads .*--bs=4k --random_distribution=zipf:1\.2 .*--name=a mix --stonewall.* --rw=randrw --rwmixread=70 --bs=8kb --fdatasync=4/);
  test.end();
});

t.test('bench does the jobs of a file', (test) => {
  const folder = test.testdir({ 'jobs.fio': FILE, 'wrong.fio': '[one]\nrw=read\niodepth_batch=4\n' });
  const path = scratchPath(test, '/dev/shm');
  const ran = cli('bench', path, '--jobfile', join(folder, 'jobs.fio'), '--repeats', '1', '--driver', 'sync', '--json');
  test.equal(ran.status, 0, ran.stderr);
  test.match(ran.stderr, /ioengine of the job file has no effect: each driver has its own way\n.*direct of the job file/);
  const { jobs } = JSON.parse(ran.stdout) as { jobs: { 'job options': Record<string, string> }[] };
  test.match(jobs.map((job) => job['job options']), [{ rw: 'randread', bs: '4096', size: `${2 * MIB}` }, { rw: 'randrw', bs: '8192', rwmixread: '70', fdatasync: '4' }]);
  test.match(cli('bench', path, '--jobfile', join(folder, 'wrong.fio')), { status: 2, stderr: /wrong\.fio: line 3: bench has no 'iodepth_batch'/ });
  test.match(cli('bench', path, '--jobfile', join(folder, 'jobs.fio'), '--rw', 'read'), { status: 2, stderr: /cannot be used with option '--rw/ });
  test.match(cli('bench', path, '--jobfile', join(folder, 'none.fio')), { status: 1, stderr: /ENOENT/ });
  test.end();
});
