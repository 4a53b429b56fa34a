// Owns the comparison of several targets on which the same jobs were done: the same driver on each, against the first. Only results
// with the same promise are compared; caveats say where they do not mean the same.

import { isOfFiles, writes, type Job } from '../jobs/job.js';
import { spread, type Spread } from '../trials/figures.js';
import { formatIops, formatRatio } from './notation.js';
import { placeOf } from './place.js';
import type { Report, Row, Subject } from './report.js';
import type { Table } from './tables.js';

/** A driver in a job on one target. */
export interface TargetFigure {
  readonly driver: string;
  readonly name: string;
  /** The path of the target. */
  readonly target: string;
  /** The place of the target among all, from 1. */
  readonly number: number;
  /** Where the driver's operations read and write there. */
  readonly place: string;
  /** Operations a second: the median of the rounds. */
  readonly iops: number;
  /**
   * Operations a second divided by those on the first target, round by round; absent on the first target, and if only one of the two
   * keeps what is written.
   */
  readonly ratio?: Spread;
}

/** The drivers with the same promise in one job. */
export interface TargetComparison {
  readonly job: string;
  /** What is true when an operation has ended. */
  readonly done: string;
  /** Driver by driver; of each, the first target and then the others. */
  readonly figures: readonly TargetFigure[];
  readonly caveats: readonly string[];
}

const placeIn = (driver: string, job: Job, subject: Subject): string => (isOfFiles(job) ? (subject.filesystem ?? subject.kind) : placeOf(driver, subject));

const isTmpfs = ({ filesystem }: Subject): boolean => filesystem === 'tmpfs';

function areComparable(job: Job, one: Subject, other: Subject): boolean {
  return !writes(job) || isOfFiles(job) || isTmpfs(one) === isTmpfs(other);
}

function rowIn({ results }: Report, job: string, done: string, driver: string): Row | undefined {
  const groups = results.filter(({ name }) => name === job).flatMap((result) => result.groups);
  return groups.filter((group) => group.done === done).flatMap(({ rows }) => rows).find((row) => row.driver === driver);
}

function caveatsOf(job: Job, first: Subject, other: Subject, figures: readonly TargetFigure[], number: number): string[] {
  if (!areComparable(job, first, other)) return [`Writes to ${other.path} are not compared with those to ${first.path}: on tmpfs, no write is durable.`];
  const differences = new Map<string, string[]>();
  for (const { driver, name, place } of figures.filter((figure) => figure.number === number)) {
    const there = placeIn(driver, job, first);
    if (place === there) continue;
    const words = `on ${first.path} ${there}; on ${other.path} ${place}`;
    differences.set(words, [...(differences.get(words) ?? []), name]);
  }
  return [...differences].map(([words, names]) => `Not the same for ${names.join(', ')}: ${words}.`);
}

// In a round, the trials of a driver on all targets follow each other. The last round of an interrupted run may have the first alone.
function ratioOf(row: Row, base: Row): Spread {
  const rounds = Math.min(row.rounds.length, base.rounds.length);
  return spread(row.rounds.slice(0, rounds).map((iops, round) => iops / (base.rounds[round] ?? NaN)));
}

/** Compares every driver that did a job, with one promise, on the first target and on another. */
export function compareTargets([first, ...others]: readonly [Report, ...Report[]]): TargetComparison[] {
  const all = first.results.flatMap(({ name: jobName, job, groups }) =>
    groups.map(({ done, rows }): TargetComparison => {
      const figures = rows.flatMap((base) => {
        const figure = ({ subject }: Report, row: Row, number: number): TargetFigure => ({
          driver: row.driver,
          name: row.name,
          target: subject.path,
          number,
          place: placeIn(row.driver, job, subject),
          iops: row.iops.median,
          ...(number > 1 && areComparable(job, first.subject, subject) && { ratio: ratioOf(row, base) }),
        });
        const elsewhere = others.flatMap((report, index) => {
          const row = rowIn(report, jobName, done, base.driver);
          return row === undefined ? [] : [figure(report, row, index + 2)];
        });
        return elsewhere.length === 0 ? [] : [figure(first, base, 1), ...elsewhere];
      });
      return { job: jobName, done, figures, caveats: others.flatMap(({ subject }, index) => caveatsOf(job, first.subject, subject, figures, index + 2)) };
    }),
  );
  return all.filter(({ figures }) => figures.length > 0);
}

export function targetTable({ figures }: TargetComparison): Table {
  const rangeOf = ({ low, high, confidence }: Spread): string => (confidence === 0 ? '-' : `${formatRatio(low)}–${formatRatio(high)}`);
  return {
    head: ['driver', 'target', 'IOPS', '× 1', 'range'],
    rows: figures.map(({ name, number, iops, ratio }) => [
      number === 1 ? name : '',
      `${number}`,
      formatIops(iops),
      number === 1 ? '1' : ratio === undefined ? '-' : formatRatio(ratio.median),
      ratio === undefined ? '' : rangeOf(ratio),
    ]),
  };
}

export const NOTHING_COMPARED = 'No driver did a job on the first target and on another: nothing can be compared.';

/** Which target has which number, in words. */
export function targetNames(reports: readonly Report[]): string {
  return reports.map(({ subject }, index) => `${index + 1} is ${subject.path}`).join(', ');
}

/** A sentence about the ratios of `targetTable`; undefined if there are none with a range. */
export function targetNote(comparisons: readonly TargetComparison[]): string | undefined {
  const ratio = comparisons.flatMap(({ figures }) => figures.flatMap((figure) => figure.ratio ?? []))[0];
  if (ratio === undefined || ratio.confidence === 0) return undefined;
  return (
    'Ratios are taken round by round, the IOPS on a target against those on target 1 in the same round: the median, and the range in which ' +
    `the true median lies with ${(100 * ratio.confidence).toFixed(0)} % probability.`
  );
}
