// Owns the command `bench`: options in fio's words to jobs, the progress bar, and the report in its forms.

import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { openSync } from 'node-dax';
import { bench, driverNames } from '../bench/index.js';
import { fromFio, toFio } from '../bench/fio-json.js';
import { checkJob, DEFAULTS, isOfFiles, MODES, parseDistribution, parseTime, VERIFY_METHODS, writes, type Job, type Mode } from '../bench/job.js';
import { page } from '../bench/page.js';
import { PRESETS, presetJobs, type Preset, type PresetName } from '../bench/presets.js';
import { pictureFiles } from '../bench/plots.js';
import { placeAt, prepare, type Place } from '../bench/subject.js';
import type { Report } from '../bench/report.js';
import { factsOf, rangeNote, speedTable, type Table } from '../bench/tables.js';
import { parseSize } from '../vm/size.js';
import { shellQuote } from '../vm/shell-quote.js';
import { checked, parseCount } from './arguments.js';
import { checkOverwritable } from './permission.js';
import { withProgress } from './progress.js';
import { columns } from './table.js';
import { packageVersion } from './version.js';

const DEFAULT_SIZE = 256 * 1024 ** 2;

/** What of a job the options say, by fio's names. */
type Said = Partial<Omit<Job, 'rw' | 'bs' | 'size'>>;

interface Options extends Said {
  preset?: PresetName;
  rw?: Mode[];
  bs?: number[];
  size?: number;
  driver?: string[];
  base?: string;
  repeats?: number;
  json?: true;
  html?: string;
  svg?: string;
  from?: string;
  yesOverwrite?: true;
  force?: true;
}

// A comma would be a list elsewhere; in fio it parts the values of reads and writes.
function repeatable<T>(parse: (text: string) => T): (text: string, earlier?: T[]) => T[] {
  return (text, earlier = []) => [...earlier, checked(parse)(text)];
}

function oneOf<T extends string>(words: readonly T[]): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw new RangeError(`Allowed choices are ${words.join(', ')}.`);
    return found;
  };
}

function said(options: Options): Said {
  const names = Object.keys(options).filter((name) => name in DEFAULTS || ['runtime', 'verify', 'rate', 'rate_iops'].includes(name));
  return Object.fromEntries(names.map((name) => [name, options[name as keyof Options]]));
}

function jobsOf(options: Options, size: number): { jobs: Job[]; rounds: number; budget?: number } {
  const preset: Preset = PRESETS[options.preset ?? 'quick'];
  const own = said(options);
  if (options.rw === undefined && options.bs === undefined) {
    const jobs = presetJobs(preset, size, own);
    if (options.repeats !== undefined) return { jobs, rounds: options.repeats };
    return { jobs, rounds: preset.repeats, ...(preset.budget !== undefined && { budget: preset.budget }) };
  }
  const { rw = ['randread'], bs = [4096] } = options;
  const time = own.loops === undefined ? { runtime: 1, time_based: true } : {};
  return { jobs: rw.flatMap((mode) => bs.map((bytes) => ({ ...DEFAULTS, ...time, ...own, rw: mode, bs: bytes, size }))), rounds: options.repeats ?? 5 };
}

// A file or device that is there keeps what it has, unless its owner gave it up.
function checkPermission({ path, isTaken }: Place, jobs: readonly Job[], options: Options, command: Command): void {
  if (!isTaken || !jobs.some((job) => writes(job) && !isOfFiles(job))) return;
  if (options.yesOverwrite !== true) {
    command.error(
      `error: the jobs overwrite ${path}: add --yes-overwrite if that is all right, choose a path where nothing is, ` +
        'or jobs that only read (--rw read --rw randread)',
      { exitCode: 2 },
    );
  }
  if (options.force !== true) checkOverwritable(path, 'bench');
}

function sizeOf({ path, isTaken }: Place, { size }: Options): number {
  if (!isTaken) return size ?? DEFAULT_SIZE;
  using device = openSync(path, { readOnly: true });
  if (size !== undefined && size > device.size) throw new RangeError(`${path} has ${device.size} bytes: --size is larger`);
  return size ?? Math.min(DEFAULT_SIZE, device.size);
}

function text(table: Table): string {
  return columns(table.head.map((word) => word.toUpperCase()), table.rows);
}

function print(report: Report): void {
  for (const [name, fact] of factsOf(report)) console.log(`${`${name}:`.padEnd(12)}${fact}`);
  for (const warning of report.warnings) console.log(`\nwarning: ${warning}`);
  for (const { name, groups, absent } of report.results) {
    for (const group of groups) {
      console.log(`\n${name}: ${group.done}\n`);
      console.log(text(speedTable(group)));
    }
    for (const { name: driver, why } of absent) console.log(`without ${driver}: ${why.split('\n')[0] ?? ''}`);
  }
  console.log(`\n${rangeNote(report)}`);
}

async function show(report: Report, options: Options): Promise<void> {
  if (options.html !== undefined) writeFileSync(options.html, await page(report));
  if (options.svg !== undefined) {
    mkdirSync(options.svg, { recursive: true });
    for (const { name, svg } of await pictureFiles(report)) writeFileSync(join(options.svg, `${name}.svg`), svg);
  }
  if (options.json === true) console.log(JSON.stringify(toFio(report), null, 2));
  else print(report);
}

async function measure(path: string, options: Options, command: Command): Promise<Report> {
  const unknown = [...(options.driver ?? []), ...(options.base === undefined ? [] : [options.base])].find((name) => !driverNames().includes(name));
  if (unknown !== undefined) command.error(`error: there is no driver ${unknown}: ${driverNames().join(', ')}`, { exitCode: 2 });
  const place = placeAt(path);
  const size = sizeOf(place, options);
  const { jobs, rounds, budget } = jobsOf(options, size);
  jobs.forEach(checkJob);
  checkPermission(place, jobs, options, command);
  const ending = new AbortController();
  const end = (): void => {
    ending.abort(new Error('interrupted'));
  };
  process.once('SIGINT', end).once('SIGTERM', end);
  // Jobs on files use no byte of the file itself.
  const prepared = prepare(place, jobs.every(isOfFiles) ? 1 : size, options.force === true, jobs.some(isOfFiles));
  try {
    const report = await withProgress('{bar} {value}/{total} {what}', (onTrial) =>
      bench(prepared, {
        jobs,
        rounds,
        ...(budget !== undefined && { budget }),
        ...(options.driver && { drivers: options.driver }),
        ...(options.base !== undefined && { base: options.base }),
        command: ['node-dax', ...process.argv.slice(2).map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : shellQuote(word)))].join(' '),
        version: packageVersion(),
        signal: ending.signal,
        onTrial,
      }),
    );
    if (!report.complete) process.exitCode = 128 + constants.signals.SIGINT;
    return report;
  } finally {
    prepared.dispose();
    process.off('SIGINT', end).off('SIGTERM', end);
  }
}

function areOne(...paths: readonly [string, string]): boolean {
  const [one, other] = paths.map((path) => statSync(path, { bigint: true, throwIfNoEntry: false }));
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev;
}

// A page takes the place of the file that has its name, which no option to overwrite is about.
function checkPage(source: string, { html }: Options, command: Command): void {
  if (html !== undefined && areOne(source, html)) command.error(`error: --html would overwrite ${source}: give it another name`, { exitCode: 2 });
}

async function act(path: string | undefined, options: Options, command: Command): Promise<void> {
  try {
    const { from } = options;
    const source = from ?? path;
    if (source !== undefined) checkPage(source, options, command);
    if (from !== undefined) {
      await show(fromFio(readFileSync(from, 'utf8')), options);
      return;
    }
    if (path === undefined) command.error('error: give a PATH to measure, or a result with --from FILE', { exitCode: 2 });
    const report = await measure(path, options, command);
    await show(report, options);
    const failed = report.results.flatMap(({ absent }) => absent).some(({ driver, why }) => !driver.startsWith('fio') && why.startsWith('failed'));
    if (failed) process.exitCode = 1;
  } catch (error) {
    if (error instanceof RangeError) command.error(`error: ${error.message}`, { exitCode: 2 });
    throw error;
  }
}

function presetWords(): string {
  const width = Math.max(...Object.keys(PRESETS).map((name) => name.length)) + 2;
  return Object.entries(PRESETS).map(([name, { text: words }]) => `  ${name.padEnd(width)}${words}`).join('\n');
}

export function benchCommand(): Command {
  return new Command('bench')
    .description('Compare zero-copy views, reads and writes of node-dax with node:fs, O_DIRECT and fio, on one file or device')
    .argument('[path]', 'a device, a file, or a path where nothing is: a file is made there, or in a directory, and removed')
    .addOption(new Option('--preset <name>', 'a ready set of jobs (default: quick)').choices(Object.keys(PRESETS)))
    .option('--size <bytes>', 'how much is worked on (default: 256M, or all of a smaller device)', checked(parseSize))
    .option('--rw <mode>', `${MODES.join(', ')}; repeatable`, repeatable(oneOf<Mode>(MODES)))
    .option('--bs <bytes>', 'block size (default: 4k); repeatable', repeatable(parseSize))
    .option('--rwmixread <percent>', 'how much of a mixed job reads (default: 50)', parseCount(0))
    .option('--numjobs <count>', 'threads that do the job side by side (default: 1)', parseCount(1))
    .option('--runtime <time>', 'of one trial (default: 1s)', checked(parseTime))
    .option('--time_based', 'go on until the runtime is over, even when all was worked through (default, unless --loops is given)')
    .option('--ramp_time <time>', 'what is done first and not counted (default: 200ms)', checked(parseTime))
    .option('--loops <count>', 'end when the size was worked through so often, if the runtime is not over before', parseCount(1))
    .option('--fsync <writes>', 'fsync after every so many writes (default: 0, never)', parseCount(0))
    .option('--fdatasync <writes>', 'the same with fdatasync (default: 1: every write is flushed when it is done)', parseCount(0))
    .option('--random_distribution <kind>', 'random, zipf:THETA or pareto:H (default: random)', checked(parseDistribution))
    .option('--verify <method>', `${VERIFY_METHODS.join(', ')}: write blocks that can be known again, and read them`, checked(oneOf(VERIFY_METHODS)))
    .option('--rate <bytes>', 'bytes a second, at most', checked(parseSize))
    .option('--rate_iops <count>', 'operations a second, at most; latency counts from when each was due', parseCount(1))
    .option('--randseed <number>', 'of the positions (default: 1)', parseCount(0))
    .option('--driver <name>', `only these: ${driverNames().join(', ')}; repeatable`, repeatable(String))
    .option('--base <name>', 'the driver that others are compared with (default: direct)')
    .option('--repeats <count>', 'rounds in which every driver has one trial (default: that of the preset, else 5)', parseCount(1))
    .option('--json', 'print JSON in the shape of fio --output-format=json')
    .option('--html <file>', 'write a page with plots; it needs no network')
    .option('--svg <dir>', 'write each plot as a file of its own')
    .option('--from <file>', 'show the result of an earlier --json instead of measuring')
    .option('--yes-overwrite', 'allow what is there to be overwritten')
    .option('--force', 'even if the device is mounted, held by another or carries a filesystem')
    .addHelpText('after', `
Presets:
${presetWords()}

Option names and their meanings are those of fio. A list is the option given several times.
With --rw or --bs, jobs are made of these instead of a preset.`)
    .action(act);
}
