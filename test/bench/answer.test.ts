// The answer that a report begins with: what is compared, what each promises, and the caveats, each where it belongs.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { answersOf } from '../../lib/bench/report/answer.js';
import { spread, type Trial } from '../../lib/bench/trials/figures.js';
import { fromFio } from '../../lib/bench/report/fio-json.js';
import { DEFAULTS, nameOf, type Job } from '../../lib/bench/jobs/job.js';
import { COPIED, durable, IN_PLACE } from '../../lib/bench/drivers/driver.js';
import type { JobResult, Report, Row } from '../../lib/bench/report/report.js';

const [kept] = fromFio(readFileSync(join(__dirname, '..', '..', '..', 'benchmarks', 'results', 'guest-ext4.json'), 'utf8'));

const FIGURES: Trial = { seconds: 1, usr_cpu: 0, sys_cpu: 0, ctx: 0, majf: 0, minf: 0 };
const row = (driver: string, ...rounds: number[]): Row => ({ driver, name: driver, how: '', figures: FIGURES, iops: spread(rounds), rounds });

function result(more: Partial<Job>, ...groups: [done: string, rows: Row[]][]): JobResult {
  const job: Job = { ...DEFAULTS, rw: 'randread', bs: 4096, size: 1024 ** 2, ...more };
  return { name: nameOf(job), job, groups: groups.map(([done, rows]) => ({ done, rows })), absent: [] };
}

function report(subject: Partial<Report['subject']>, ...results: JobResult[]): Report {
  return { ...kept, machine: { ...kept.machine, emulated: false }, subject: { ...kept.subject, isDax: false, filesystem: 'ext4', ...subject }, results };
}

const READS = result({}, [IN_PLACE, [row('view', 3000, 6000, 2000)]], [COPIED, [row('sync', 2000, 1000, 2000), row('direct', 1000, 1000, 1000)]]);

t.test('a sentence, what each promises, and what to think of it', (test) => {
  const [answer] = answersOf(report({}, READS));
  test.equal(answer?.sentence, '4 KiB random reads: a view is 3 times, readSync 2 times what O_DIRECT gives here (1.00 k a second).', 'medians of the ratios of rounds');
  test.strictSame(answer?.promises, [
    `a view: ${IN_PLACE} (the page cache)`,
    `readSync: ${COPIED} (the page cache)`,
    `O_DIRECT: ${COPIED} (the device, past the page cache)`,
  ]);
  test.match(answer?.caveats, [/copies nothing/, /a cache is compared with a device/, /One operation at a time is the worst case/]);
  test.end();
});

t.test('a caveat is where it belongs', (test) => {
  const caveats = (subject: Partial<Report['subject']>, job: JobResult): string => answersOf(report(subject, job)).flatMap((answer) => answer.caveats).join('|');
  test.equal(caveats({ isDax: true, filesystem: 'ext4' }, result({}, [COPIED, [row('sync', 2), row('fs', 1)]])), '');
  test.match(caveats({ filesystem: 'tmpfs' }, READS), /no device/);
  const write = (fdatasync: number): JobResult => result({ rw: 'randwrite', fdatasync }, [durable(fdatasync), [row('view', 2), row('direct', 1)]]);
  test.match(caveats({ filesystem: 'tmpfs' }, write(1)), /no write is durable/);
  test.match(caveats({ isDax: true }, write(8)), /Not every write is durable/);
  test.notMatch(caveats({ isDax: true }, write(1)), /durable/);
  test.end();
});

t.test('an answer for the first job of each kind, and none where there is nothing to compare', (test) => {
  const of = (...results: JobResult[]): string[] => answersOf(report({}, ...results)).map(({ sentence }) => sentence);
  test.equal(of(READS, READS, result({ rw: 'randrw', numjobs: 2 }, [COPIED, [row('sync', 3), row('fs', 2)]])).length, 2);
  test.match(of(result({ rw: 'randrw', numjobs: 2 }, [COPIED, [row('sync', 3), row('fs', 2)]])), [/^4 KiB random reads and writes \(rwmixread=50, numjobs=2\): readSync and writeSync are 1.5 times what fs.readSync and fs.writeSync gives/]);
  test.strictSame(of(result({}, [COPIED, [row('sync', 3)]]), result({ rw: 'read' }, [COPIED, [row('direct', 3)]])), []);
  test.ok(answersOf(kept).length >= 2, 'of a result that was kept');
  test.end();
});
