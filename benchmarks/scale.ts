// Owns what is compared at scale: each side runs once, in a process of its own, and gives all of its figures.

import type { ScaleFigures, ScaleSide } from './many-files.js';
import type { Wanted } from './targets.js';

/** Files by default: a look takes some four minutes. */
export const FILES_AT_SCALE = 1_000_000;

/** What the cache of `mount` is documented to hold. */
const CACHE_BYTES = 64 * 2 ** 20;

export interface ScaleTarget {
  readonly name: string;
  readonly ours: keyof ScaleFigures;
  /** Of our own side where no other is named. */
  readonly base?: { readonly side: ScaleSide; readonly figure: keyof ScaleFigures };
  readonly wanted: Wanted | { bytes: number };
}

const kernel = (figure: keyof ScaleFigures) => ({ side: 'kernel', figure }) as const;
const own = (figure: keyof ScaleFigures) => ({ side: 'node-dax', figure }) as const;

export const SCALE_TARGETS: readonly ScaleTarget[] = [
  { name: 'files made in 1000 directories in turn : kernel ext2', ours: 'create', base: kernel('create'), wanted: { speed: 1 } },
  { name: 'the last tenth of them : the first', ours: 'createLast', base: own('createFirst'), wanted: { speed: 0.8 } },
  { name: 'stat in no order among them, after a mount : kernel ext2', ours: 'stat', base: kernel('stat'), wanted: { speed: 1 } },
  { name: 'stat with a tenth of them open : with 10', ours: 'statManyOpen', base: own('statFewOpen'), wanted: { time: 1.1 } },
  { name: 'memory of those stats', ours: 'memory', wanted: { bytes: CACHE_BYTES } },
];
