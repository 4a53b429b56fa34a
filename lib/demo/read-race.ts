// Times 4 KiB reads of one place by several ways, in turn, so all of them meet the same noise.

import { closeSync, constants, openSync as openFile, readSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSync, type DaxDevice } from 'node-dax';
import { withScratchFile } from './scratch-file.js';

const READ_SIZE = 4096;
const ROUNDS = 15;
const ROUND_MILLISECONDS = 20;

/** One way to read, and what it took. */
export interface Timing {
  way: string;
  /** Median nanoseconds for one read of 4 KiB; undefined where the device cannot be read this way. */
  nanoseconds: number | undefined;
  /** Why it could not. */
  reason?: string;
}

interface Contestant {
  way: string;
  read: ((pos: number) => unknown) | undefined;
  reason?: string;
  close?: () => void;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'EINVAL' ? 'its filesystem does not take part' : (code ?? message);
}

// Opens the file and tries one read: a failure now is shown in the table instead of a time.
function fileContestant(way: string, device: DaxDevice, flags: number, buffer: Uint8Array): Contestant {
  if (device.kind === 'devdax') return { way, read: undefined, reason: 'a devdax has no read(2)' };
  let fd: number | undefined;
  try {
    const open = openFile(device.path, flags);
    fd = open;
    readSync(open, buffer, 0, READ_SIZE, 0);
    return {
      way,
      read: (pos) => readSync(open, buffer, 0, READ_SIZE, pos),
      close: () => {
        closeSync(open);
      },
    };
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    return { way, read: undefined, reason: reasonOf(error) };
  }
}

function timeRound(read: (pos: number) => unknown, positions: readonly number[]): number {
  let reads = 0;
  const start = process.hrtime.bigint();
  for (;;) {
    for (const pos of positions) read(pos);
    reads += positions.length;
    const elapsed = Number(process.hrtime.bigint() - start);
    if (elapsed > ROUND_MILLISECONDS * 1_000_000) return elapsed / reads;
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/**
 * Reads the first bytes of `device` over and over: through `readSync`, `fs.readSync` and `fs.readSync` with O_DIRECT.
 * Calls `onProgress` with the part that is done, 0 to 1. Reads only.
 */
export function raceReads(device: DaxDevice, onProgress: (done: number) => void): Timing[] {
  const span = Math.floor(Math.min(device.size, 8 * 1024 * 1024) / READ_SIZE);
  // 37 is prime to any power of two: every page is met, none of them in order.
  const positions = Array.from({ length: Math.min(span, 64) }, (_, index) => ((index * 37) % span) * READ_SIZE);
  const target = new Uint8Array(READ_SIZE);
  // O_DIRECT wants memory that is aligned to a page, which a view of a mapping is and an ordinary Buffer is not.
  return withScratchFile(join(tmpdir(), 'node-dax-demo-buffer'), (path) => {
    using aligned = openSync(path, { size: READ_SIZE });
    const contestants: Contestant[] = [
      { way: 'node-dax readSync', read: (pos) => device.readSync(target, pos) },
      fileContestant('fs.readSync', device, constants.O_RDONLY, target),
      fileContestant('fs.readSync with O_DIRECT', device, constants.O_RDONLY + constants.O_DIRECT, aligned.view()),
    ];
    const rounds = contestants.map((): number[] => []);
    for (let round = 0; round <= ROUNDS; round++) {
      contestants.forEach(({ read }, index) => {
        if (read === undefined) return;
        const nanoseconds = timeRound(read, positions);
        // The first round warms up.
        if (round > 0) rounds[index]?.push(nanoseconds);
      });
      onProgress(round / ROUNDS);
    }
    for (const { close } of contestants) close?.();
    return contestants.map(({ way, read, reason }, index) => ({
      way,
      nanoseconds: read === undefined ? undefined : median(rounds[index] ?? []),
      ...(reason === undefined ? {} : { reason }),
    }));
  });
}
