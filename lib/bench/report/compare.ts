// Owns the comparison of reports with earlier ones, target by target: which drivers do the same job faster or slower, and by how much.

import { formatIops, formatRatio } from './notation.js';
import type { Report, Row } from './report.js';
import type { Table } from './tables.js';

/** A driver in a job that both reports of a target have. */
export interface Change {
  /** The path of the target. */
  readonly target: string;
  /** The place of the target among all, from 1. */
  readonly number: number;
  readonly job: string;
  readonly driver: string;
  readonly name: string;
  /** Operations a second: the medians of the rounds. */
  readonly old: number;
  readonly new: number;
  /** `new` divided by `old`. */
  readonly ratio: number;
  /** Whether it has lost more than the threshold. */
  readonly isSlower: boolean;
}

/** Parses `5%` or `5` into a part of 1. Throws `RangeError`. */
export function parseThreshold(text: string): number {
  const [, percent] = /^([0-9]+(?:\.[0-9]+)?)%?$/.exec(text) ?? [];
  const part = Number(percent ?? NaN) / 100;
  if (!(part < 1)) throw new RangeError(`'${text}' is no threshold from 0% up to 100%, such as 5%`);
  return part;
}

function rowsOf(report: Report): Map<string, { job: string; row: Row }> {
  const rows = report.results.flatMap(({ name, groups }) => groups.flatMap((group) => group.rows.map((row) => ({ job: name, row }))));
  return new Map(rows.map((entry) => [`${entry.job}\n${entry.row.driver}`, entry]));
}

/** Throws `RangeError` if results of targets at `paths` cannot be compared with `old`, which has others. */
export function checkComparable(old: readonly Report[], paths: readonly string[]): void {
  const before = old.map(({ subject }) => subject.path);
  if (before.length !== paths.length) throw new RangeError(`--compare: the result is of ${before.length} targets (${before.join(', ')}), not of ${paths.length}`);
  const moved = paths.find((path, index) => before[index] !== path && before.includes(path));
  if (moved !== undefined) throw new RangeError(`--compare: ${moved} is at another place among the targets of the result: ${before.join(', ')}`);
}

/**
 * The changes of every driver in a job that both reports of a target have. The first report of one list is compared with the first
 * of the other, and so on. Empty if no driver is in both. A driver is slower if it has lost more than `threshold`, a part of 1.
 */
export function changesOf(old: readonly Report[], reports: readonly Report[], threshold: number): Change[] {
  return reports.flatMap((report, index) => {
    const earlier = old[index];
    const before = earlier === undefined ? new Map<string, never>() : rowsOf(earlier);
    return [...rowsOf(report)].flatMap(([key, { job, row }]): Change[] => {
      const was = before.get(key)?.row.iops.median;
      if (was === undefined) return [];
      const ratio = row.iops.median / was;
      const target = { target: report.subject.path, number: index + 1 };
      return [{ ...target, job, driver: row.driver, name: row.name, old: was, new: row.iops.median, ratio, isSlower: ratio < 1 - threshold }];
    });
  });
}

/** The changes as a table, with the numbers of the targets if there are several. */
export function changeTable(changes: readonly Change[]): Table {
  const isOne = changes.every(({ number }) => number === 1);
  return {
    head: ['job', 'driver', ...(isOne ? [] : ['target']), 'old', 'new', 'ratio', ''],
    rows: changes.map(({ job, name, number, old, new: now, ratio, isSlower }) => [
      job,
      name,
      ...(isOne ? [] : [`${number}`]),
      formatIops(old),
      formatIops(now),
      formatRatio(ratio),
      isSlower ? 'slower' : '',
    ]),
  };
}
