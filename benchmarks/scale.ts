// Compares at scale: each side runs once, in a process of its own, and gives all of its figures.

import { join } from 'node:path';
import { outputOf } from './child.js';
import { missing, type ScaleFigures, type ScaleRequest, type ScaleSide } from './many-files.js';
import { compare, type Comparison, type Result, type Wanted } from './result.js';

/** Files by default: a look takes some four minutes. */
export const FILES_AT_SCALE = 1_000_000;

// A process that makes its first files.
const FEW = 10_000;

/** What the cache of `mount` is documented to hold. */
const CACHE_BYTES = 64 * 2 ** 20;

interface Target {
  readonly name: string;
  readonly ours: keyof ScaleFigures;
  readonly base?: { readonly side: ScaleSide; readonly figure: keyof ScaleFigures };
  /** What another side has of the same figure counts as no part of ours. */
  readonly without?: ScaleSide;
  /** Of both sides, where it is not as many as are asked for. */
  readonly files?: number;
  /** What a reader of a missed target must know. */
  readonly note?: string;
  readonly wanted: Wanted;
}

const kernel = (figure: keyof ScaleFigures) => ({ side: 'kernel', figure }) as const;
const own = (figure: keyof ScaleFigures) => ({ side: 'node-dax', figure }) as const;
const tmpfs = (figure: keyof ScaleFigures) => ({ side: 'tmpfs', figure }) as const;

const TARGETS: readonly Target[] = [
  { name: 'the first 10 000 files of a process : fs on tmpfs', files: FEW, ours: 'first', base: tmpfs('first'), wanted: { time: 1.5 } },
  { name: 'readdir, recursive, 600 deep : kernel ext2', files: FEW, ours: 'listDeep', base: kernel('listDeep'), wanted: { time: 2 } },
  { name: 'rm, recursive, 600 deep : kernel ext2', files: FEW, ours: 'removeDeep', base: kernel('removeDeep'), wanted: { time: 2 } },
  { name: 'made in 1000 directories in turn : kernel ext2', ours: 'create', base: kernel('create'), wanted: { speed: 1 } },
  { name: 'the last tenth of them : the first', ours: 'createLast', base: own('createFirst'), wanted: { speed: 0.8 } },
  { name: 'stat in no order among them, after a mount : kernel ext2', ours: 'stat', base: kernel('stat'), wanted: { speed: 1 } },
  { name: 'stat with a tenth of them open : with 10', ours: 'statManyOpen', base: own('statFewOpen'), wanted: { time: 1.1 } },
  { name: 'memory of those stats', ours: 'memory', wanted: { bytes: CACHE_BYTES }, note: 'V8 takes a part, for stat of node:fs too' },
  { name: 'memory of those stats without that of node:fs', ours: 'memory', without: 'kernel', wanted: { bytes: CACHE_BYTES } },
];

class AtScale {
  readonly #folder: string;
  readonly #figures = new Map<string, ScaleFigures>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async run(target: string, { ours, base, without, wanted, note }: Target, files: number): Promise<Result> {
    const side = base?.side ?? without;
    const why = side && missing(side);
    if (why !== undefined) return { target, wanted, verdict: 'skipped', why };
    const theirs = without === undefined ? 0 : (await this.#figuresOf(without, files))[ours];
    const figure = (await this.#figuresOf('node-dax', files))[ours] - theirs;
    const other = base && [(await this.#figuresOf(base.side, files))[base.figure]];
    const result: Result = { ...compare(target, wanted, [figure], other), unit: ours === 'memory' ? 'bytes' : 'ns' };
    return result.verdict === 'missed' && note !== undefined ? { ...result, why: note } : result;
  }

  async #figuresOf(side: ScaleSide, files: number): Promise<ScaleFigures> {
    const key = `${side} ${files}`;
    let figures = this.#figures.get(key);
    if (figures === undefined) {
      const request: ScaleRequest = { side, folder: this.#folder, files };
      figures = await outputOf<ScaleFigures>(process.execPath, [join(__dirname, 'many-files.js'), JSON.stringify(request)]);
      this.#figures.set(key, figures);
    }
    return figures;
  }
}

/** Comparisons of `files` files, which lie in `folder`. */
export function atScale(folder: string, files: number): readonly Comparison[] {
  const scale = new AtScale(folder);
  return TARGETS.map((target) => {
    const count = target.files ?? files;
    const name = `at scale, ${count} files: ${target.name}`;
    return { name, run: () => scale.run(name, target, count) };
  });
}
