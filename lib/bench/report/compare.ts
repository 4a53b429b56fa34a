// Owns the comparison of a report with an earlier one: which drivers do the same job faster or slower, and by how much.

import { formatIops, formatRatio } from './notation.js';
import type { Report, Row } from './report.js';
import type { Table } from './tables.js';

/** A driver in a job that both reports have. */
export interface Change {
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

/**
 * The changes of every driver in a job that both reports have; empty if there is none. A driver is slower if it has lost more than
 * `threshold`, a part of 1.
 */
export function changesOf(old: Report, report: Report, threshold: number): Change[] {
  const before = rowsOf(old);
  return [...rowsOf(report)].flatMap(([key, { job, row }]): Change[] => {
    const was = before.get(key)?.row.iops.median;
    if (was === undefined) return [];
    const ratio = row.iops.median / was;
    return [{ job, driver: row.driver, name: row.name, old: was, new: row.iops.median, ratio, isSlower: ratio < 1 - threshold }];
  });
}

export function changeTable(changes: readonly Change[]): Table {
  return {
    head: ['job', 'driver', 'old', 'new', 'ratio', ''],
    rows: changes.map(({ job, name, old, new: now, ratio, isSlower }) => [job, name, formatIops(old), formatIops(now), formatRatio(ratio), isSlower ? 'slower' : '']),
  };
}
