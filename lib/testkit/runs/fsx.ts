// Owns the random run: operations checked against a byte model until one fails, and the shortest sequence that still fails.

import { setImmediate } from 'node:timers/promises';
import type { MakeFilesystem } from '../filesystem/contract.js';
import { Failure } from '../failure.js';
import { beginStage, chooseOperation, compare, describe, endStage, perform, type Operation, type Stage } from './operation.js';
import { seeded } from '../random.js';
import { Session } from '../filesystem/session.js';
import { shrink } from './shrink.js';

const FILES = 2;
// Mapped memory is freed only when the event loop turns, and every remount maps a device.
const STEPS_A_TURN = 50;

/** The failure that the run found, and the shortest sequence that causes it. */
export interface FsxFailure {
  readonly failure: Failure;
  readonly sequence: string;
}

function asFailure(error: unknown): Failure {
  return error instanceof Failure ? error : new Failure('fsx', String(error));
}

// The failure of the first step that fails, with that step's index.
async function run(
  make: MakeFilesystem,
  deviceSize: number,
  sequence: readonly Operation[],
  canMap: boolean,
): Promise<{ failure: Failure; at: number } | undefined> {
  let at = 0;
  let stage: Stage | undefined;
  try {
    stage = beginStage(canMap ? Session.beginMapped(make, deviceSize) : Session.begin(make, deviceSize), FILES, canMap);
    for (; at < sequence.length; at++) {
      if (at % STEPS_A_TURN === 0) await setImmediate();
      let caught: unknown;
      try {
        perform(stage, sequence[at] as Operation);
        compare(stage);
      } catch (error) {
        caught = error;
      }
      // A broken rule that the witness saw explains the failure.
      const [seen] = stage.session.witness.failures.values();
      if (seen !== undefined) return { failure: seen, at };
      if (caught !== undefined) return { failure: asFailure(caught), at };
    }
  } catch (error) {
    return { failure: asFailure(error), at: at - 1 };
  } finally {
    if (stage !== undefined) endStage(stage);
  }
  return undefined;
}

/** Runs `operations` random operations, on mappings too if files can be mapped. Undefined if none fails. */
export async function fsx(
  make: MakeFilesystem,
  deviceSize: number,
  seed: number,
  operations: number,
  canMap: boolean,
): Promise<FsxFailure | undefined> {
  const random = seeded(seed);
  const limit = Math.min(128 * 1024, Math.floor(deviceSize / 16));
  const sequence = Array.from({ length: operations }, () => chooseOperation(random, FILES, limit));
  const first = await run(make, deviceSize, sequence, canMap);
  if (first === undefined) return undefined;
  let { failure } = first;
  const shortest = await shrink(sequence.slice(0, first.at + 1), async (part) => {
    const found = (await run(make, deviceSize, part, canMap))?.failure;
    if (found?.rule !== first.failure.rule) return false;
    failure = found;
    return true;
  });
  return { failure, sequence: shortest.map(describe).join('\n') };
}
