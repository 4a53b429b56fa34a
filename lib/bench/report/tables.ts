// Owns the tables of a report, as text in cells: what the terminal and the page both show.

import { PERCENTILES, type Moved } from '../trials/figures.js';
import { formatBandwidth, formatIops, formatRatio, formatSize, formatTime } from './notation.js';
import type { Group, Report, Row } from './report.js';

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const NONE = '-';
const SHOWN = [50, 99, 99.9, 99.99] as const;

function latencyCells({ latency: { mean, stddev, min, percentiles } }: Moved): string[] {
  const shown = SHOWN.map((part) => percentiles[PERCENTILES.indexOf(part)]);
  return [formatTime(min), formatTime(mean), formatTime(stddev), ...shown.map((value) => (value === undefined ? NONE : formatTime(value)))];
}

function ratioCell({ ratio, name }: Row, base: string | undefined): string {
  if (name === base) return '1';
  if (ratio === undefined) return NONE;
  if (ratio.confidence === 0) return formatRatio(ratio.median); // one round has no range
  return `${formatRatio(ratio.median)} (${formatRatio(ratio.low)}–${formatRatio(ratio.high)})`;
}

/** The table of speed and latency. A mixed job has two lines for each driver; figures of both directions are in the first. */
export function speedTable({ rows, base }: Group): Table {
  const isMixed = rows.some(({ figures: { read, write } }) => read !== undefined && write !== undefined);
  return {
    head: ['driver', ...(isMixed ? [''] : []), 'IOPS', 'bandwidth', 'min', 'mean', 'stddev', ...SHOWN.map((part) => `p${part}`), 'CPU', ...(base === undefined ? [] : [`× ${base}`])],
    rows: rows.flatMap((row) => {
      const { read, write } = row.figures;
      const ways = [
        { word: 'read', moved: read },
        { word: 'write', moved: write },
      ].flatMap(({ word, moved }) => (moved === undefined ? [] : [{ word, moved }]));
      return ways.map(({ word, moved }, index) => [
        index === 0 ? row.name : '',
        ...(isMixed ? [word] : []),
        formatIops(moved.iops),
        moved.bytes === 0 ? NONE : formatBandwidth(moved.bw),
        ...latencyCells(moved),
        index === 0 ? `${(row.figures.usr_cpu + row.figures.sys_cpu).toFixed(0)} %` : '',
        ...(base === undefined ? [] : [index === 0 ? ratioCell(row, base) : '']),
      ]);
    }),
  };
}

// The columns that can be left out, the least important first.
const DISPENSABLE = ['stddev', 'min', 'p99.99', 'p99.9', 'CPU', 'mean', 'p99', 'bandwidth', 'p50', 'range', 'old', 'new'];

/** The table without the columns for which there is no room, and the names of these columns. */
export function narrowed(table: Table, fits: (table: Table) => boolean): { table: Table; without: string[] } {
  let shown = table;
  const without: string[] = [];
  for (const name of DISPENSABLE) {
    if (fits(shown)) break;
    const at = shown.head.indexOf(name);
    if (at < 0) continue;
    const others = (cells: readonly string[]): string[] => cells.filter((_, index) => index !== at);
    shown = { head: others(shown.head), rows: shown.rows.map(others) };
    without.push(name);
  }
  return { table: shown, without };
}

/** The table of costs: processor time, page faults, event loop delay, garbage collection. */
export function costTable({ rows }: Group): Table {
  return {
    head: ['driver', 'user', 'system', 'ctx', 'majf', 'minf', 'loop delay p99', 'max', 'GC pauses', 'longest', 'IOPS low–high'],
    rows: rows.map(({ name, figures, iops }) => {
      const { usr_cpu, sys_cpu, ctx, majf, minf, loopDelay, gc } = figures;
      return [
        name,
        `${usr_cpu.toFixed(0)} %`,
        `${sys_cpu.toFixed(0)} %`,
        ctx.toFixed(0),
        majf.toFixed(0),
        minf.toFixed(0),
        loopDelay === undefined ? NONE : formatTime(loopDelay.p99),
        loopDelay === undefined ? NONE : formatTime(loopDelay.max),
        gc === undefined ? NONE : `${gc.count.toFixed(0)}, ${formatTime(gc.total)}`,
        gc === undefined ? NONE : formatTime(gc.max),
        `${formatIops(iops.low)}–${formatIops(iops.high)}`,
      ];
    }),
  };
}

/** What it was measured on, as pairs of name and text. */
export function factsOf(report: Report): [string, string][] {
  const { machine, subject, versions } = report;
  const { kind, isDax, granularity, mapSync, filesystem, persistenceDomain, flushInstruction, numaNode } = subject;
  const cache = machine.lastLevelCache === undefined ? '' : `, last-level cache ${formatSize(machine.lastLevelCache)}`;
  return [
    ['command', report.command],
    ['when', `${report.started}, ${report.seconds.toFixed(0)} s, ${report.rounds} rounds${report.complete ? '' : ', interrupted'}`],
    ['processor', `${machine.cpu}, ${machine.cpus} of them${cache}${machine.emulated ? ', emulated' : machine.virtual ? ', virtual' : ''}`],
    ['memory', formatSize(machine.memory)],
    ['system', `Linux ${machine.kernel}, ${machine.arch}`],
    ['versions', Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')],
    ['target', `${subject.path}: ${kind}${filesystem === undefined ? '' : ` on ${filesystem}`}, ${formatSize(subject.size)}, ${isDax ? 'DAX' : 'not DAX'}`],
    [
      'durability',
      [
        `granularity ${granularity}`,
        ...(mapSync ? ['MAP_SYNC'] : []),
        ...(granularity === 'cache_line' ? [flushInstruction] : []),
        ...(persistenceDomain === undefined ? [] : [`persistence domain ${persistenceDomain}`]),
        ...(numaNode === undefined ? [] : [`NUMA node ${numaNode}`]),
      ].join(', '),
    ],
  ];
}

/** A sentence about the meaning of a range such as 7.58 (3.33–11.58). */
export function rangeNote(report: Report): string {
  if (report.rounds === 0) return 'Nothing was measured here.';
  if (report.rounds === 1) return 'One round was made: how much the figures vary is not known.';
  const confidence = report.results[0]?.groups[0]?.rows[0]?.iops.confidence ?? 0;
  return (
    `Figures are medians of ${report.rounds} rounds. Ratios are taken round by round, the driver's IOPS against the base's: ` +
    `median (low–high), and the true median lies in that range with ${(100 * confidence).toFixed(0)} % probability.`
  );
}
