// The outcome of a comparison, and how it is judged and printed.

import Table from 'cli-table3';

/**
 * `speed`: times as fast as the base, at least. `time`: times the base's figure, at most. `ns`, `bytes`: of ours alone, below.
 */
export type Wanted = { speed: number } | { time: number } | { ns: number } | { bytes: number };

export interface Spread {
  median: number;
  min: number;
  max: number;
}

export type Unit = 'ns' | 'bytes';

export interface Result {
  target: string;
  wanted: Wanted | null;
  /** Of `ours` and `base`: nanoseconds by default. */
  unit?: Unit;
  ours?: Spread;
  base?: Spread;
  /** Of garbage collection, nanoseconds an operation of ours. */
  gc?: Spread;
  /** Of each pair's figures, in the sense of `wanted`: speed where nothing is wanted. */
  ratio?: Spread;
  verdict: 'met' | 'missed' | 'information' | 'skipped';
  why?: string;
}

/** One row of the table, not yet measured. */
export interface Comparison {
  readonly name: string;
  run(): Promise<Result>;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number): number => sorted[Math.floor(index)] ?? NaN;
  const middle = (sorted.length - 1) / 2;
  return { median: (at(middle) + at(Math.ceil(middle))) / 2, min: at(0), max: at(sorted.length - 1) };
}

/** The figures of each pair, compared in the sense of `wanted`. */
export function compare(target: string, wanted: Wanted | undefined, ours: readonly number[], base?: readonly number[]): Result {
  const result = { target, wanted: wanted ?? null, ours: spread(ours) };
  if (base === undefined) return { ...result, verdict: verdict(wanted, result.ours.median) };
  const byTime = wanted !== undefined && 'time' in wanted;
  const ratio = spread(
    ours.map((figure, pair) => {
      const other = base[pair] ?? NaN;
      return byTime ? figure / other : other / figure;
    }),
  );
  return { ...result, base: spread(base), ratio, verdict: verdict(wanted, ratio.median) };
}

function verdict(wanted: Wanted | undefined, value: number): Result['verdict'] {
  if (wanted === undefined) return 'information';
  if ('speed' in wanted) return value >= wanted.speed ? 'met' : 'missed';
  const most = 'time' in wanted ? wanted.time : 'ns' in wanted ? wanted.ns : wanted.bytes;
  return value <= most ? 'met' : 'missed';
}

function describe(wanted: Result['wanted'], unit: Unit): string {
  if (wanted === null) return '';
  if ('bytes' in wanted) return `≤ ${bytes(wanted.bytes)}`;
  if ('speed' in wanted) return `≥ ${wanted.speed} × as fast`;
  return 'time' in wanted ? `≤ ${wanted.time} × the ${unit === 'ns' ? 'time' : 'bytes'}` : `< ${nanoseconds(wanted.ns)}`;
}

function bytes(count: number): string {
  return count < 2 ** 20 ? `${(count / 1024).toFixed(0)} KiB` : `${(count / 2 ** 20).toFixed(0)} MiB`;
}

function nanoseconds(count: number): string {
  if (count < 1e4) return `${count.toFixed(0)} ns`;
  if (count < 1e7) return `${(count / 1e3).toFixed(1)} µs`;
  return count < 1e9 ? `${(count / 1e6).toFixed(0)} ms` : `${(count / 1e9).toFixed(2)} s`;
}

function formatSpread({ median, min, max }: Spread, format: (value: number) => string): string {
  return `${format(median)} (${format(min)}–${format(max)})`;
}

const HEAD = ['target', 'node-dax', 'base', 'measured: median (min–max)', 'wanted', ''];

function rowOf({ target, wanted, unit = 'ns', ours, base, gc, ratio, verdict: is, why }: Result): string[] {
  const format = unit === 'ns' ? nanoseconds : bytes;
  const single = ours && `${formatSpread(ours, format)}${gc ? `, ${nanoseconds(gc.median)} of it GC` : ''}`;
  return [
    target,
    ours ? format(ours.median) : '',
    base ? format(base.median) : '',
    ratio ? formatSpread(ratio, (value) => value.toFixed(2)) : (single ?? ''),
    describe(wanted, unit),
    why === undefined ? is : `${is}: ${why}`,
  ];
}

export function print(results: readonly Result[]): void {
  const table = new Table({ head: HEAD, style: { head: [], border: [] } });
  table.push(...results.map(rowOf));
  console.log(table.toString());
}

/** Prints a table for a document. */
export function printMarkdown(results: readonly Result[]): void {
  console.log();
  for (const row of [HEAD, HEAD.map(() => '---'), ...results.map(rowOf)]) console.log(`| ${row.join(' | ')} |`);
}
