// The suite: runs the trials of each target in pairs, one process each, ours then the base's, and prints the ratios.

import { spawn } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import Table from 'cli-table3';
import { Command } from 'commander';
import type { Driver } from './driver.js';
import { DRIVERS, PROGRAMS, type DriverName, type ProgramName } from './drivers/index.js';
import { missing as missingAtScale, type ScaleFigures, type ScaleRequest, type ScaleSide } from './many-files.js';
import { compile, type Compiled } from './programs.js';
import { FILES_AT_SCALE, SCALE_TARGETS, type ScaleTarget } from './scale.js';
import { TARGETS, type Side, type Target, type Wanted } from './targets.js';
import type { Figure, TrialRequest } from './trial.js';

interface Spread {
  median: number;
  min: number;
  max: number;
}

interface Result {
  target: string;
  wanted: Wanted | { bytes: number } | null;
  /** Nanoseconds an operation; bytes of memory where bytes are wanted. */
  ours?: Spread;
  base?: Spread;
  /** Of garbage collection, nanoseconds an operation of ours. */
  gc?: Spread;
  /** Of each pair's figures, in the sense of `wanted`: speed where nothing is wanted. */
  ratio?: Spread;
  verdict: 'met' | 'missed' | 'information' | 'skipped';
  why?: string;
}

// The garbage that an operation leaves is paid for later, maybe in another batch.
function total(figure: Figure | undefined): number {
  return figure ? figure.quiet + figure.gc : NaN;
}

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number): number => sorted[Math.floor(index)] ?? NaN;
  const middle = (sorted.length - 1) / 2;
  return { median: (at(middle) + at(Math.ceil(middle))) / 2, min: at(0), max: at(sorted.length - 1) };
}

function isProgram(name: DriverName | ProgramName): name is ProgramName {
  return name in PROGRAMS;
}

class Suite {
  readonly #folder: string;
  readonly #programs = new Map<ProgramName, Compiled>();
  readonly #files: number;
  readonly #atScale = new Map<ScaleSide, ScaleFigures>();

  constructor(directory: string, files: number) {
    this.#files = files;
    this.#folder = mkdtempSync(join(directory, 'node-dax-bench-'));
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async run(target: Target, pairs: number): Promise<Result> {
    const { name, ours, base, wanted } = target;
    const result = { target: name, wanted: wanted ?? null };
    const missing = this.#missing(ours) ?? (base && this.#missing(base));
    if (missing !== undefined) return { ...result, verdict: 'skipped', why: missing };
    const ourFigures: Figure[] = [];
    const baseFigures: Figure[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      ourFigures.push(await this.#trial(ours));
      if (base) baseFigures.push(await this.#trial(base));
    }
    const measured = { ...result, ours: spread(ourFigures.map(total)), gc: spread(ourFigures.map(({ gc }) => gc)) };
    if (!base) return { ...measured, verdict: verdict(wanted, measured.ours.median) };
    const byTime = wanted !== undefined && 'time' in wanted;
    const ratio = spread(
      ourFigures.map((figure, pair) => {
        const own = total(figure);
        const other = total(baseFigures[pair]);
        return byTime ? own / other : other / own;
      }),
    );
    const baseSpread = spread(baseFigures.map(total));
    return { ...measured, base: baseSpread, ratio, verdict: verdict(wanted, ratio.median) };
  }

  /** Each side of those at scale runs once, whatever is asked of it. */
  async runAtScale({ name, ours, base, wanted }: ScaleTarget): Promise<Result> {
    const result = { target: `${this.#files} files: ${name}`, wanted };
    const reason = base && missingAtScale(base.side);
    if (reason !== undefined) return { ...result, verdict: 'skipped', why: reason };
    const own = (await this.#figuresAtScale('node-dax'))[ours];
    const measured = { ...result, ours: spread([own]) };
    if ('bytes' in wanted) return { ...measured, verdict: own <= wanted.bytes ? 'met' : 'missed' };
    if (base === undefined) return { ...measured, verdict: verdict(wanted, own) };
    const other = (await this.#figuresAtScale(base.side))[base.figure];
    const ratio = 'time' in wanted ? own / other : other / own;
    return { ...measured, base: spread([other]), ratio: spread([ratio]), verdict: verdict(wanted, ratio) };
  }

  async #figuresAtScale(side: ScaleSide): Promise<ScaleFigures> {
    let figures = this.#atScale.get(side);
    if (figures === undefined) {
      const request: ScaleRequest = { side, folder: this.#folder, files: this.#files };
      figures = await outputOf<ScaleFigures>(process.execPath, [join(__dirname, 'many-files.js'), JSON.stringify(request)], {});
      this.#atScale.set(side, figures);
    }
    return figures;
  }

  // Why a side cannot run here.
  #missing({ driver }: Side): string | undefined {
    if (!isProgram(driver)) {
      const { missing }: Driver = DRIVERS[driver];
      return missing?.();
    }
    const compiled = this.#program(driver);
    return 'missing' in compiled ? compiled.missing : undefined;
  }

  #program(name: ProgramName): Compiled {
    let compiled = this.#programs.get(name);
    if (compiled === undefined) this.#programs.set(name, (compiled = compile(name, this.#folder)));
    return compiled;
  }

  async #trial({ driver, blockSize, span, fileSize = span }: Side): Promise<Figure> {
    const path = this.#file(span, fileSize);
    if (isProgram(driver)) {
      const compiled = this.#program(driver);
      if ('missing' in compiled) throw new Error(compiled.missing);
      return outputOf<Figure>(compiled.executable, [path, `${blockSize}`, `${span}`], {});
    }
    const request: TrialRequest = { driver, path, blockSize, span };
    const { environment = {} }: Driver = DRIVERS[driver];
    return outputOf<Figure>(process.execPath, [join(__dirname, 'trial.js'), JSON.stringify(request)], environment);
  }

  // Its first `span` bytes are allocated, the rest is a hole.
  #file(span: number, fileSize: number): string {
    const path = join(this.#folder, `${fileSize}`);
    if (existsSync(path) && statSync(path).size === fileSize) return path;
    const fd = openSync(path, 'w');
    writeSync(fd, Buffer.alloc(span, 0xa5));
    ftruncateSync(fd, fileSize);
    closeSync(fd);
    return path;
  }
}

// What a process prints as JSON.
function outputOf<T>(command: string, args: string[], environment: Readonly<Record<string, string>>): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (text: Buffer) => (output += text.toString()));
    child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0) resolve(JSON.parse(output) as T);
      else reject(new Error(`${command} ${args.join(' ')} ended with ${status ?? 'a signal'}: ${errors}`));
    });
  });
}

function verdict(wanted: Wanted | undefined, value: number): Result['verdict'] {
  if (wanted === undefined) return 'information';
  if ('speed' in wanted) return value >= wanted.speed ? 'met' : 'missed';
  return value <= ('time' in wanted ? wanted.time : wanted.ns) ? 'met' : 'missed';
}

function describe(wanted: Result['wanted']): string {
  if (wanted === null) return '';
  if ('bytes' in wanted) return `≤ ${mebibytes(wanted.bytes)}`;
  if ('speed' in wanted) return `≥ ${wanted.speed} × as fast`;
  return 'time' in wanted ? `≤ ${wanted.time} × the time` : `< ${wanted.ns} ns`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

function nanoseconds({ median }: Spread): string {
  return median < 1e4 ? `${median.toFixed(0)} ns` : `${(median / 1000).toFixed(1)} µs`;
}

function formatSpread({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}

function print(results: readonly Result[]): void {
  const table = new Table({
    head: ['target', 'ours', 'base', 'measured', 'wanted', 'verdict'],
    style: { head: [], border: [] },
  });
  for (const { target, wanted, ours, base, gc, ratio, verdict: is, why } of results) {
    if (ours !== undefined && wanted !== null && 'bytes' in wanted) {
      table.push([target, mebibytes(ours.median), '', mebibytes(ours.median), describe(wanted), is]);
      continue;
    }
    const single = ours && `${formatSpread(ours, 1)} ns${gc ? `, ${gc.median.toFixed(1)} of it GC` : ''}`;
    table.push([
      target,
      ours ? nanoseconds(ours) : '',
      base ? nanoseconds(base) : '',
      ratio ? formatSpread(ratio, 2) : (single ?? ''),
      describe(wanted),
      why === undefined ? is : `${is}: ${why}`,
    ]);
  }
  console.log(table.toString());
}

async function main(): Promise<void> {
  const values = new Command('npm run bench --')
    .description('Measures the package against its targets. Exits with 1 where one is missed.')
    .option('--json', 'results as JSON', false)
    .option('--pairs <n>', 'how often each is measured, in turn with its base', '7')
    .option('--only <text>', 'those whose name has it', '')
    .option('--directory <path>', 'where the files are made', '/dev/shm')
    .option('--files <n>', 'files of the comparisons at scale', String(FILES_AT_SCALE))
    .parse()
    .opts<{ json: boolean; pairs: string; only: string; directory: string; files: string }>();
  const machine = { cpu: cpus()[0]?.model, cpus: cpus().length, kernel: release(), node: process.version };
  const suite = new Suite(values.directory, Number(values.files));
  process.once('SIGINT', () => {
    suite.dispose();
    process.exit(130);
  });
  try {
    const results: Result[] = [];
    for (const target of TARGETS.filter(({ name }) => name.includes(values.only))) {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${target.name}`);
      results.push(await suite.run(target, Number(values.pairs)));
    }
    for (const target of SCALE_TARGETS.filter(({ name }) => name.includes(values.only))) {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${target.name}`);
      results.push(await suite.runAtScale(target));
    }
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    if (values.json) {
      console.log(JSON.stringify({ machine, results }, null, 2));
    } else {
      console.log(`${machine.cpu ?? ''} (${machine.cpus}), Linux ${machine.kernel}, Node ${machine.node}`);
      print(results);
    }
    process.exitCode = results.some((result) => result.verdict === 'missed') ? 1 : 0;
  } finally {
    suite.dispose();
  }
}

void main();
