// Owns the ready-made sets of jobs.

import { DEFAULTS, FILE_MODES, type Job } from './job.js';

const KiB = 1024;
const MiB = 1024 ** 2;

/** The properties of a preset and its jobs. The user's options override them. */
export interface Preset {
  /** Who the preset is for, in words. */
  readonly text: string;
  /** The number of rounds. In each, every driver does every job once. */
  readonly repeats: number;
  /** Seconds for the rounds: as many are made as fit. */
  readonly budget?: number;
  readonly jobs: readonly Partial<Job>[];
}

const timed = (runtime: number, ramp_time: number) => ({ runtime, ramp_time, time_based: true });
const short = timed(0.1, 0.1);
const long = timed(1, 0.25);

export const PRESETS = {
  quick: {
    text: 'an answer in a minute: small random reads and writes, and three block sizes in a row',
    repeats: 3,
    budget: 100,
    jobs: [
      { ...short, rw: 'randread', bs: 4 * KiB },
      { ...short, rw: 'randwrite', bs: 4 * KiB },
      ...(['read', 'write'] as const).flatMap((rw) =>
        [4 * KiB, 64 * KiB, MiB].map((bs) => ({ ...short, rw, bs })),
      ),
    ],
  },
  oltp: {
    text: 'a database: 8 KiB pages, 70 % read, a few of them hot, alone and by four threads',
    repeats: 5,
    jobs: [1, 4].map((numjobs) => ({
      ...long,
      rw: 'randrw',
      bs: 8 * KiB,
      rwmixread: 70,
      random_distribution: { kind: 'zipf', theta: 1.2 },
      numjobs,
    })),
  },
  stream: {
    text: 'large files from end to end, in blocks of 64 KiB to 16 MiB, durable every 64 MiB',
    repeats: 5,
    jobs: (['read', 'write'] as const).flatMap((rw) =>
      [64 * KiB, 256 * KiB, MiB, 4 * MiB, 16 * MiB].map((bs) => ({ ...long, rw, bs, fdatasync: (64 * MiB) / bs })),
    ),
  },
  log: {
    text: 'a write-ahead log: small records one after the other, each durable before the next, and 1000 a second',
    repeats: 5,
    jobs: [
      ...[128, 512, 4 * KiB].map((bs) => ({ ...long, rw: 'write' as const, bs })),
      { ...long, rw: 'write', bs: 512, rate_iops: 1000 },
    ],
  },
  metadata: {
    text: 'small files: 20,000 of them made, looked at and removed; only for filesystems',
    repeats: 5,
    // Each file is used once, without a ramp, because a file that was made cannot be made again.
    jobs: FILE_MODES.map((rw) => ({ rw, nrfiles: 20_000, ramp_time: 0 })),
  },
} satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;

/** The jobs of a preset on `size` bytes. `said` has the properties that the user gave, which replace those of the preset. */
export function presetJobs(preset: Preset, size: number, said: Partial<Job>): Job[] {
  return preset.jobs.map((job) => ({ ...DEFAULTS, rw: 'read', bs: 4 * KiB, ...job, ...said, size }));
}
