// Owns the answer at the start of a report: the speed of a view, a read and a write in multiples of what people use now, what each
// of them promises, and the caveats of the figures.

import { spread } from '../trials/figures.js';
import { isMixed, reads, syncEvery, writes, type Job } from '../jobs/job.js';
import { formatIops, formatRatio, formatSize } from './notation.js';
import { placeOf } from './place.js';
import type { JobResult, Report, Row } from './report.js';

export interface Answer {
  readonly sentence: string;
  /** The promises of the compared drivers: what is true when an operation has ended, and where it went. `readSync, O_DIRECT: …`. */
  readonly promises: readonly string[];
  readonly caveats: readonly string[];
}

const KINDS: Readonly<Record<string, string>> = {
  read: 'reads in a row',
  write: 'writes in a row',
  rw: 'reads and writes in a row',
  randread: 'random reads',
  randwrite: 'random writes',
  randrw: 'random reads and writes',
};

const OWN = ['view', 'sync', 'async'];
// The drivers that people use now, in order of preference. The first has several operations under way if the job asks for that.
const BASES = ['filehandle-direct', 'direct', 'fs', 'fio-dev-dax'];

interface Told {
  readonly row: Row;
  readonly done: string;
  readonly words: string;
}

function wordsOf(driver: string, job: Job): string {
  const call = (read: string, write: string): string => (isMixed(job) ? `${read} and ${write}` : reads(job) ? read : write);
  const words: Readonly<Record<string, string>> = {
    view: 'a view',
    sync: call('readSync', 'writeSync'),
    async: `await ${call('read', 'write')}`,
    direct: 'O_DIRECT',
    'filehandle-direct': `O_DIRECT with ${job.iodepth} under way`,
    fs: call('fs.readSync', 'fs.writeSync'),
    'fio-dev-dax': 'fio’s dev-dax',
  };
  return words[driver] ?? driver;
}

function promisesOf(told: readonly Told[], report: Report): string[] {
  const groups = new Map<string, string[]>();
  for (const { row, done, words } of told) {
    const promise = `${done} (${placeOf(row.driver, report.subject)})`;
    groups.set(promise, [...(groups.get(promise) ?? []), words]);
  }
  return [...groups].map(([promise, names]) => `${names.join(', ')}: ${promise}`);
}

function caveatsOf(told: readonly Told[], base: Told, job: Job, report: Report): string[] {
  const { subject, machine } = report;
  const found: string[] = [];
  if (!writes(job) && told.some(({ done }) => done !== base.done)) found.push('A view copies nothing: what the program does with the bytes comes on top.');
  if (subject.filesystem === 'tmpfs') {
    found.push(writes(job) ? 'This is tmpfs: no write is durable, whatever is said.' : 'This is tmpfs: it shows what the way through the software costs, and no device.');
  } else if (!subject.isDax && base.row.driver.endsWith('direct')) {
    found.push('This is not DAX: a cache is compared with a device.');
    if (base.row.driver === 'direct') found.push('One operation at a time is the worst case of O_DIRECT on a disk: --iodepth 32 has more under way.');
  }
  if (writes(job) && syncEvery(job) !== 1) found.push('Not every write is durable when it has ended.');
  if (machine.emulated) found.push('The processor is emulated: the ratios tell of the emulator.');
  return found;
}

function answerOf({ job, name, groups }: JobResult, report: Report): Answer | undefined {
  const all = groups.flatMap(({ rows, done }) => rows.map((row) => ({ row, done, words: wordsOf(row.driver, job) })));
  const find = (driver: string): Told | undefined => all.find(({ row }) => row.driver === driver);
  const own = OWN.map(find).filter((told) => told !== undefined);
  const base = BASES.map(find).find((told) => told !== undefined);
  if (base === undefined || own.length === 0) return undefined;
  const times = own.map(({ row, words }, index) => {
    const rounds = Math.min(row.rounds.length, base.row.rounds.length);
    const ratio = spread(row.rounds.slice(0, rounds).map((iops, round) => iops / (base.row.rounds[round] ?? NaN)));
    return `${words} ${index > 0 ? '' : words.includes(' and ') ? 'are ' : 'is '}${formatRatio(ratio.median)} times`;
  });
  const special = name.split(' ').slice(2).join(', ');
  return {
    sentence:
      `${formatSize(job.bs)} ${KINDS[job.rw] ?? job.rw}${special === '' ? '' : ` (${special})`}: ` +
      `${times.join(', ')} what ${base.words} gives here (${formatIops(base.row.iops.median)} a second).`,
    promises: promisesOf([...own, base], report),
    caveats: caveatsOf(own, base, job, report),
  };
}

/** An answer for the first job of each kind. Jobs on files have none, because this package does not do them. */
export function answersOf(report: Report): Answer[] {
  const first = report.results.filter(({ job }, index) => report.results.findIndex((other) => other.job.rw === job.rw) === index);
  return first.map((result) => answerOf(result, report)).filter((answer) => answer !== undefined);
}
