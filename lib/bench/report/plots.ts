// Owns the pictures of reports: latency distributions, bandwidth by block size, ratios of drivers and of targets.

import { bwOf, PERCENTILES, type Latency, type Spread } from '../trials/figures.js';
import { formatBytes } from '../jobs/job.js';
import { formatBandwidth, formatRatio, formatTime } from './notation.js';
import type { Group, JobResult, Report, Row } from './report.js';
import { element, escape, label, picture, standalone } from './svg.js';
import { compareTargets, type TargetComparison } from './targets.js';

/** The room for a picture. A page has each picture in several layouts, and shows the one that fits. */
export interface Layout {
  readonly width: number;
  /** The width of the keys beside the plot; 0 puts them below it. */
  readonly keys: number;
}

/** The layouts of a separate file, of two pictures side by side on a page, and of a page on a telephone. */
const FILE: Layout = { width: 760, keys: 168 };
export const WIDE: Layout = { width: 600, keys: 168 };
export const NARROW: Layout = { width: 350, keys: 0 };

const LEFT = 76;
const RIGHT = 14;
const PLOT_HEIGHT = 250;
const LINE = 18;
const KEY = 20;
const TITLE_LETTER = 9;
const LETTER = 6.5;

interface Frame {
  readonly layout: Layout;
  readonly heading: string;
  readonly top: number;
  readonly bottom: number;
  readonly right: number;
}

// Breaks text into lines, which SVG does not do. Also breaks words that are longer than a line, such as paths. Counts each letter
// as wide as a wide one.
function broken(text: string, letters: number): string[] {
  const lines: string[] = [];
  const most = Math.floor(letters);
  for (const word of text.split(' ').flatMap((whole) => whole.match(new RegExp(`.{1,${most}}`, 'gu')) ?? [])) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > letters) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

function frameOf(layout: Layout, title: string, done: string): Frame {
  const titles = broken(title, (layout.width - 8) / TITLE_LETTER);
  const words = broken(`Done: ${done}`, (layout.width - 8) / LETTER);
  const lines = [...titles.map((text) => ({ text, attributes: { class: 'title' } })), ...words.map((text) => ({ text, attributes: {} }))];
  const top = 20 + LINE * lines.length + 14;
  return {
    layout,
    heading: lines.map(({ text, attributes }, index) => label(8, 20 + LINE * index, text, attributes)).join(''),
    top,
    bottom: top + PLOT_HEIGHT,
    right: layout.width - (layout.keys > 0 ? layout.keys : RIGHT),
  };
}

/** A picture, and a name for its file. */
export interface Plot {
  readonly name: string;
  readonly svg: string;
}

// Both libraries are ES modules, which a CommonJS module can only import() in Node 20.
async function d3() {
  const [scale, shape] = await Promise.all([import('d3-scale'), import('d3-shape')]);
  return { ...scale, ...shape };
}
type D3 = Awaited<ReturnType<typeof d3>>;

interface Series {
  readonly driver: string;
  readonly name: string;
  readonly points: readonly { x: number; y: number; text: string }[];
}

interface Axis {
  readonly ticks: readonly { at: number; text: string }[];
  readonly title: string;
}

function key(series: readonly Series[], { layout, top, bottom, right }: Frame): string {
  const isBeside = layout.keys > 0;
  return series
    .map(({ driver, name }, index) => {
      const y = isBeside ? top + 8 + index * KEY : bottom + 56 + Math.floor(index / 2) * KEY;
      const x = isBeside ? right + 14 : 8 + (index % 2) * (layout.width / 2);
      return element('line', { class: `line key ${driver}`, x1: x, x2: x + 22, y1: y, y2: y }) + label(x + 28, y + 4, name);
    })
    .join('');
}

function axes({ top, bottom, right }: Frame, x: Axis, y: Axis): string {
  return [
    ...y.ticks.flatMap(({ at, text }) => [
      element('line', { class: 'grid', x1: LEFT, x2: right, y1: at, y2: at }),
      label(LEFT - 6, at + 4, text, { 'text-anchor': 'end' }),
    ]),
    ...x.ticks.flatMap(({ at, text }) => [
      element('line', { class: 'grid', x1: at, x2: at, y1: top, y2: bottom }),
      label(at, bottom + 16, text, { 'text-anchor': 'middle' }),
    ]),
    label((LEFT + right) / 2, bottom + 36, x.title, { 'text-anchor': 'middle' }),
    label(LEFT, top - 10, y.title),
  ].join('');
}

function lines({ line }: D3, title: string, frame: Frame, series: readonly Series[], x: Axis, y: Axis): string {
  const path = line<{ x: number; y: number }>((point) => point.x, (point) => point.y);
  const { layout, top, bottom } = frame;
  const below = layout.keys > 0 ? 48 : 56 + Math.ceil(series.length / 2) * KEY;
  return picture(
    layout.width,
    Math.max(bottom + below, layout.keys > 0 ? top + KEY * series.length + 16 : 0),
    title,
    frame.heading,
    axes(frame, x, y),
    ...series.map(({ driver, name, points }) =>
      element(
        'g',
        { class: 'series', 'data-driver': driver },
        element('path', { class: `line ${driver}`, d: path([...points]) ?? '' }),
        ...points.map(({ x: cx, y: cy, text }) =>
          element('circle', { class: `mark ${driver}`, cx, cy, r: 2.5 }, element('title', {}, escape(`${name}: ${text}`))),
        ),
      ),
    ),
    key(series, frame),
  );
}

// The ticks of a logarithmic axis: each power of ten.
function powers(low: number, high: number): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
}

function latencyOf({ figures: { read, write } }: Row): Latency | undefined {
  return (read ?? write)?.latency;
}

// Plots latency by percentile. The axis stretches with the number of nines: it counts the operations to each one that takes longer.
function latencyPlot(d3: D3, layout: Layout, { name }: JobResult, { rows, done }: Group): string | undefined {
  const title = `Latency of ${name}`;
  const frame = frameOf(layout, title, done);
  const { top, bottom, right } = frame;
  const shown = rows.filter((row) => (latencyOf(row)?.percentiles.length ?? 0) > 0);
  const values = shown.flatMap((row) => latencyOf(row)?.percentiles ?? []);
  if (values.length === 0) return undefined;
  const x = d3.scaleLog([1, 10_000], [LEFT, right - 10]);
  const y = d3.scaleLog([Math.min(...values), Math.max(...values)], [bottom, top]).nice();
  const [low = 1, high = 1] = y.domain();
  const series = shown.map((row) => ({
    driver: row.driver,
    name: row.name,
    points: (latencyOf(row)?.percentiles ?? []).map((value, index) => {
      const part = PERCENTILES[index] ?? NaN;
      return { x: x(100 / (100 - part)), y: y(value), text: `p${part} ${formatTime(value)}` };
    }),
  }));
  return lines(
    d3,
    title,
    frame,
    series,
    { title: 'part of the operations that took no longer', ticks: [0, 50, 90, 99, 99.9, 99.99].map((part) => ({ at: x(100 / (100 - part)), text: `${part} %` })) },
    { title: 'time of an operation', ticks: powers(low, high).map((value) => ({ at: y(value), text: formatTime(value) })) },
  );
}

interface BlockSizes {
  readonly rw: string;
  readonly done: string;
  readonly sizes: readonly number[];
  readonly rows: readonly { row: Row; bs: number }[];
}

// Groups of jobs that differ only in block size, with the drivers of one promise.
function blockSizes(results: readonly JobResult[]): BlockSizes[] {
  const kinds = new Map<string, { rw: string; done: string; rows: { row: Row; bs: number }[] }>();
  for (const { job, groups } of results) {
    for (const { done, rows } of groups) {
      const { bs, ...others } = job;
      const kind = JSON.stringify([others, done]);
      const entry = kinds.get(kind) ?? { rw: job.rw, done, rows: [] };
      entry.rows.push(...rows.map((row) => ({ row, bs })));
      kinds.set(kind, entry);
    }
  }
  return [...kinds.values()]
    .map((kind) => ({ ...kind, sizes: [...new Set(kind.rows.map(({ bs }) => bs))].sort((a, b) => a - b) }))
    .filter(({ sizes }) => sizes.length > 1);
}

function bandwidthPlot(d3: D3, layout: Layout, { rw, done, sizes, rows }: BlockSizes): string {
  const title = `Bandwidth of ${rw} by block size`;
  const frame = frameOf(layout, title, done);
  const { top, bottom, right } = frame;
  const x = d3.scaleLog([sizes[0] ?? 1, sizes.at(-1) ?? 1], [LEFT + 16, right - 16]);
  const highest = Math.max(...rows.map(({ row }) => bwOf(row.figures)));
  const y = d3.scaleLinear([0, highest / 1024 ** 3], [bottom, top]).nice(5);
  const drivers = [...new Set(rows.map(({ row }) => row.driver))];
  const series = drivers.map((driver) => {
    const own = rows.filter(({ row }) => row.driver === driver).sort((a, b) => a.bs - b.bs);
    return {
      driver,
      name: own[0]?.row.name ?? driver,
      points: own.map(({ row, bs }) => {
        const bw = bwOf(row.figures);
        return { x: x(bs), y: y(bw / 1024 ** 3), text: `${formatBytes(bs)} ${formatBandwidth(bw)}` };
      }),
    };
  });
  return lines(
    d3,
    title,
    frame,
    series,
    { title: 'block size', ticks: sizes.map((bytes) => ({ at: x(bytes), text: formatBytes(bytes) })) },
    { title: 'GiB/s', ticks: y.ticks(5).map((value) => ({ at: y(value), text: `${value}` })) },
  );
}

const BAR = 15;
const NAMES = 130;

interface Bar {
  readonly driver: string;
  readonly name: string;
  readonly ratio: Spread;
}

// Ratios as bars from 1, each with its range.
function barPlot(d3: D3, layout: Layout, title: string, done: string, bars: readonly Bar[]): string {
  const ratios = bars.flatMap(({ ratio }) => [ratio.low, ratio.high]);
  const x = d3.scaleLog([Math.min(0.8, ...ratios), Math.max(1.25, ...ratios)], [NAMES, layout.width - 60]).nice();
  const [low = 1, high = 1] = x.domain();
  const { heading, top } = frameOf(layout, title, done);
  const bottom = top + bars.length * (BAR + 8);
  return picture(
    layout.width,
    bottom + 26,
    title,
    heading,
    ...powers(low, high).flatMap((value) => [
      element('line', { class: 'grid', x1: x(value), x2: x(value), y1: top - 8, y2: bottom }),
      label(x(value), bottom + 16, formatRatio(value), { 'text-anchor': 'middle' }),
    ]),
    ...bars.flatMap(({ driver, name, ratio }, index) => {
      const y = top + index * (BAR + 8);
      const [from, to] = [Math.min(x(1), x(ratio.median)), Math.max(x(1), x(ratio.median))];
      const words = `${formatRatio(ratio.median)} (${formatRatio(ratio.low)}–${formatRatio(ratio.high)})`;
      return [
        label(NAMES - 8, y + BAR - 3, name, { 'text-anchor': 'end' }),
        element(
          'rect',
          { class: `mark ${driver}`, 'data-driver': driver, x: from, y, width: Math.max(1, to - from), height: BAR },
          element('title', {}, escape(`${name}: ${words}`)),
        ),
        element('line', { class: 'range', x1: x(ratio.low), x2: x(ratio.high), y1: y + BAR / 2, y2: y + BAR / 2 }),
        label(Math.max(x(ratio.high), to) + 6, y + BAR - 3, formatRatio(ratio.median)),
      ];
    }),
    element('line', { class: 'one', x1: x(1), x2: x(1), y1: top - 8, y2: bottom }),
  );
}

function ratioPlot(d3: D3, layout: Layout, { name: job }: JobResult, { rows, base, done }: Group): string | undefined {
  const bars = rows.flatMap(({ driver, name, ratio }) => (ratio === undefined ? [] : [{ driver, name, ratio }]));
  if (base === undefined || bars.length === 0) return undefined;
  return barPlot(d3, layout, `${job}: operations a second against ${base}`, done, bars);
}

function targetPlot(d3: D3, layout: Layout, { job, done, figures }: TargetComparison, paths: readonly string[]): string | undefined {
  const isOne = paths.length === 2;
  const bars = figures.flatMap(({ driver, name, number, ratio }) => (ratio === undefined ? [] : [{ driver, name: isOne ? name : `${name}, ${number}`, ratio }]));
  if (bars.length === 0) return undefined;
  return barPlot(d3, layout, `${job}: operations a second ${isOne ? `on ${paths[1] ?? ''} ` : ''}against those on ${paths[0] ?? ''}`, done, bars);
}

function fileName(...words: readonly string[]): string {
  return words.join('-').replaceAll(/[^\w.-]+/g, '-');
}

function drawn(found: readonly { name: string; svg: string | undefined }[]): Plot[] {
  return found.flatMap(({ name, svg }) => (svg === undefined ? [] : [{ name, svg }]));
}

/** Every picture of the report, for a page. `name` is unique. */
export async function plots(report: Report, layout: Layout): Promise<Plot[]> {
  const modules = await d3();
  const found: { name: string; svg: string | undefined }[] = [
    ...blockSizes(report.results).map((kind, index) => ({ name: fileName('bandwidth', kind.rw, `${index + 1}`), svg: bandwidthPlot(modules, layout, kind) })),
    ...report.results.flatMap((result) =>
      result.groups.flatMap((group, index) => [
        { name: fileName('ratio', result.name, `${index + 1}`), svg: ratioPlot(modules, layout, result, group) },
        { name: fileName('latency', result.name, `${index + 1}`), svg: latencyPlot(modules, layout, result, group) },
      ]),
    ),
  ];
  return drawn(found);
}

/** The pictures that compare targets, one for each comparison that has a ratio. `name` is unique. */
export async function targetPlots(reports: readonly [Report, ...Report[]], layout: Layout): Promise<Plot[]> {
  const modules = await d3();
  const paths = reports.map(({ subject }) => subject.path);
  return drawn(compareTargets(reports).map((comparison, index) => ({ name: fileName('targets', comparison.job, `${index + 1}`), svg: targetPlot(modules, layout, comparison, paths) })));
}

/** Every picture as a separate file. Of several targets, the names of pictures of one begin with its number. */
export async function pictureFiles(reports: readonly [Report, ...Report[]]): Promise<Plot[]> {
  const numbered = await Promise.all(
    reports.map(async (report, index) => (await plots(report, FILE)).map(({ name, svg }) => ({ name: reports.length === 1 ? name : `${index + 1}-${name}`, svg }))),
  );
  return [...(await targetPlots(reports, FILE)), ...numbered.flat()].map(({ name, svg }) => ({ name, svg: standalone(svg) }));
}
