// Runs the trials of a target in pairs, one process each: ours, then the base's.

import { closeSync, existsSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { outputOf } from './child.js';
import type { Driver } from './driver.js';
import { DRIVERS, PROGRAMS, type DriverName, type ProgramName } from './drivers/index.js';
import { compile, type Compiled } from './programs.js';
import { compare, spread, type Comparison, type Result } from './result.js';
import { TARGETS, type Side, type Target } from './targets.js';
import type { Figure, TrialRequest } from './trial.js';

// The garbage that an operation leaves is paid for later, maybe in another batch.
function total(figure: Figure): number {
  return figure.quiet + figure.gc;
}

function isProgram(name: DriverName | ProgramName): name is ProgramName {
  return name in PROGRAMS;
}

class Pairs {
  readonly #folder: string;
  readonly #pairs: number;
  readonly #programs = new Map<ProgramName, Compiled>();

  constructor(folder: string, pairs: number) {
    [this.#folder, this.#pairs] = [folder, pairs];
  }

  async run({ name, ours, base, wanted }: Target): Promise<Result> {
    const why = this.#missing(ours) ?? (base && this.#missing(base));
    if (why !== undefined) return { target: name, wanted: wanted ?? null, verdict: 'skipped', why };
    const ourFigures: Figure[] = [];
    const baseFigures: Figure[] = [];
    for (let pair = 0; pair < this.#pairs; pair++) {
      ourFigures.push(await this.#trial(ours));
      if (base) baseFigures.push(await this.#trial(base));
    }
    const gc = spread(ourFigures.map((figure) => figure.gc));
    return { ...compare(name, wanted, ourFigures.map(total), base && baseFigures.map(total)), gc };
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
      return outputOf<Figure>(compiled.executable, [path, `${blockSize}`, `${span}`]);
    }
    const request: TrialRequest = { driver, path, blockSize, span };
    const { environment = {} }: Driver = DRIVERS[driver];
    return outputOf<Figure>(process.execPath, [...process.execArgv, join(__dirname, 'trial.js'), JSON.stringify(request)], environment);
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

/** Each target of `targets.ts`, measured `pairs` times with files in `folder`. */
export function inPairs(folder: string, pairs: number): readonly Comparison[] {
  const each = new Pairs(folder, pairs);
  return TARGETS.map((target) => ({ name: target.name, run: () => each.run(target) }));
}
