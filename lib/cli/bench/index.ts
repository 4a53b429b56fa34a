// Owns the command `bench`: its options and its exit status.

import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { driverNames } from '../../bench/index.js';
import { changesOf, checkComparable, parseThreshold, type Change } from '../../bench/report/compare.js';
import { fromFio } from '../../bench/report/fio-json.js';
import { MODES, parseDistribution, parseTime, VERIFY_METHODS } from '../../bench/jobs/job.js';
import { parseSteadyState } from '../../bench/jobs/steady-state.js';
import { PRESETS } from '../../bench/jobs/presets.js';
import type { Report } from '../../bench/report/report.js';
import { parseSize } from '../../vm/size.js';
import { checked, parseCount } from '../arguments.js';
import type { JobFlags } from './jobs.js';
import { measure } from './measure.js';
import { checkForms, show, type Forms } from './show.js';

interface Options extends JobFlags, Forms {
  from?: string;
  compare?: string;
  threshold?: number;
}

// A list is the option given several times, because in fio a comma separates the values of reads and writes.
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

/** An option that takes one word of a fixed set; if `isRepeatable`, several times. */
function choice(flags: string, text: string, words: readonly string[], isRepeatable: boolean): Option {
  const option = new Option(flags, text);
  option.argChoices = [...words];
  return isRepeatable ? option.argParser(repeatable(oneOf(words))) : option.argParser(checked(oneOf(words)));
}

// The default threshold: figures of one machine differ by as much when other programs run.
const THRESHOLD = 0.05;

const resultIn = (path: string): [Report, ...Report[]] => fromFio(readFileSync(path, 'utf8'));

// The files and devices that the reports come from. Throws `RangeError` for options that contradict each other.
function sourcesOf([path, ...others]: readonly string[], options: Options): [string, ...string[]] {
  const { from, compare, threshold } = options;
  const first = path ?? from;
  if (first === undefined) throw new RangeError('give a PATH to measure, or a result with --from FILE');
  if (path !== undefined && from !== undefined) throw new RangeError('give a PATH to measure, or a result with --from FILE, not both');
  if (threshold !== undefined && compare === undefined) throw new RangeError('--threshold is of --compare FILE');
  return [first, ...others];
}

function changesSince(old: readonly Report[], reports: readonly Report[], threshold: number): Change[] {
  checkComparable(old, reports.map(({ subject }) => subject.path));
  return changesOf(old, reports, threshold);
}

// Throws `RangeError` if there is a target of which nothing is compared.
function checkCompared(reports: readonly Report[], changes: readonly Change[]): void {
  const without = reports.find((_, index) => !changes.some(({ number }) => number === index + 1));
  if (without === undefined) return;
  throw new RangeError(`the results of ${without.subject.path} have no job and driver in common: nothing can be compared`);
}

async function act(paths: readonly string[], options: Options, command: Command): Promise<void> {
  try {
    const { from } = options;
    const sources = sourcesOf(paths, options);
    for (const source of sources) checkForms(options, source);
    const old = options.compare === undefined ? undefined : resultIn(options.compare);
    if (old !== undefined && from === undefined) checkComparable(old, sources);
    const reports = from === undefined ? await measure(sources, options, command) : resultIn(from);
    const changes = old && changesSince(old, reports, options.threshold ?? THRESHOLD);
    await show(reports, options, changes);
    if (changes !== undefined) checkCompared(reports, changes);
    if (changes?.some(({ isSlower }) => isSlower) === true) process.exitCode ??= 1;
    if (from !== undefined) return;
    const failed = reports.flatMap(({ results }) => results.flatMap(({ absent }) => absent)).some(({ driver, why }) => !driver.startsWith('fio') && why.startsWith('failed'));
    if (failed) process.exitCode ??= 1;
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
    .description('Compare zero-copy views, reads and writes of node-dax with node:fs, O_DIRECT and fio, on files or devices')
    .argument('[path...]', 'devices, files, directories or new names; in a directory or at a new name, a file is made and removed')
    .addOption(new Option('--preset <name>', 'a ready set of jobs (default: quick)').choices(Object.keys(PRESETS)).conflicts(['rw', 'bs', 'from']))
    .addOption(new Option('--jobfile <file>', 'the jobs of a fio job file; options on the command line replace those in the file').conflicts(['preset', 'rw', 'bs', 'from']))
    .option('--size <bytes>', 'how much of the file or device to use (default: 256M, or all of a smaller device)', checked(parseSize))
    .addOption(choice('--rw <mode>', 'what is done; repeatable', MODES, true))
    .option('--bs <bytes>', 'block size (default: 4k); repeatable', repeatable(parseSize))
    .option('--rwmixread <percent>', 'how much of a mixed job reads (default: 50)', parseCount(0))
    .option('--numjobs <count>', 'threads that do the job side by side (default: 1)', parseCount(1))
    .option('--iodepth <count>', 'operations that awaited drivers, and fio’s io_uring and libaio, have under way (default: 1)', parseCount(1))
    .option('--runtime <time>', 'how long a trial runs (default: 1s)', checked(parseTime))
    .option('--time_based', 'repeat until the runtime is over (default, unless --loops is given)')
    .option('--ramp_time <time>', 'how long a trial runs before it is measured (default: 200ms)', checked(parseTime))
    .option('--loops <count>', 'end a trial after so many passes over the size, or when the runtime is over', parseCount(1))
    .option('--fsync <writes>', 'fsync after every so many writes (default: 0, never)', parseCount(0))
    .option('--fdatasync <writes>', 'the same with fdatasync (default: 1: every write is flushed when it is done)', parseCount(0))
    .option('--random_distribution <kind>', 'random, zipf:THETA or pareto:H (default: random)', checked(parseDistribution))
    .addOption(choice('--verify <method>', 'write blocks with a digest, and check it when reading them', VERIFY_METHODS, false))
    .option('--rate <bytes>', 'bytes a second, at most', checked(parseSize))
    .option('--rate_iops <count>', 'operations a second, at most; latency counts from when each was due', parseCount(1))
    .option('--randseed <number>', 'the seed of the random positions (default: 1)', parseCount(0))
    .option('--ss, --steadystate <criterion>', 'end a trial once it is steady: iops, iops_slope, bw or bw_slope with a limit, such as iops:5%', checked(parseSteadyState))
    .option('--ss_dur, --steadystate_duration <time>', 'how long it must have been steady', checked(parseTime))
    .option('--ss_ramp, --steadystate_ramp_time <time>', 'how much of the beginning is not judged (default: 0)', checked(parseTime))
    .option('--cpus_allowed <list>', 'the processors that a trial runs on, such as 0-3,8 (default: all)')
    .addOption(choice('--driver <name>', 'run only this driver; repeatable', driverNames(), true))
    .addOption(choice('--base <name>', 'the driver that others are compared with (default: direct)', driverNames(), false))
    .option('--repeats <count>', 'rounds in which every driver has one trial (default: that of the preset, else 5)', parseCount(1))
    .option('--json', 'print JSON in the shape of fio --output-format=json')
    .option('--html <file>', 'write a page with plots, which needs no network')
    .option('--svg <dir>', 'write each plot as a file of its own')
    .addOption(new Option('--write_lat_log <prefix>', 'write a log of latencies for each thread of each trial, in the format of fio').conflicts('from'))
    .option('--from <file>', 'show the result of an earlier --json instead of measuring')
    .option('--compare <file>', 'compare with this earlier result of --json: exit status 1 if something is slower')
    .option('--threshold <percent>', 'how much slower a driver may be, such as 5% (default: 5%)', checked(parseThreshold))
    .option('--yes-overwrite', 'allow existing content to be overwritten')
    .option('--force', 'proceed even if the device is mounted, held by another or carries a filesystem')
    .addHelpText('after', `
Presets:
${presetWords()}

Options have the names and meanings of fio. For a list, give the option several times.
With --rw or --bs, these make the jobs, instead of a preset.`)
    .action(act);
}
