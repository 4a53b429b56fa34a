// Owns the random run: operations against a byte model, until one fails, and the shortest sequence that fails so.

import type { MakeFilesystem } from './contract.js';
import { Failure } from './failure.js';
import { beginStage, chooseOperation, compare, describe, endStage, perform, type Operation, type Stage } from './operation.js';
import { seeded } from './random.js';
import { Session } from './session.js';
import { shrink } from './shrink.js';

const FILES = 2;

/** What the run found: what went wrong, and the shortest sequence that makes it. */
export interface FsxFailure {
  readonly failure: Failure;
  readonly sequence: string;
}

function asFailure(error: unknown): Failure {
  return error instanceof Failure ? error : new Failure('fsx', String(error));
}

// What the first step that fails makes of it, with that step's index.
function run(
  make: MakeFilesystem,
  deviceSize: number,
  sequence: readonly Operation[],
  canMap: boolean,
): { failure: Failure; at: number } | undefined {
  let at = 0;
  let stage: Stage | undefined;
  try {
    stage = beginStage(canMap ? Session.beginMapped(make, deviceSize) : Session.begin(make, deviceSize), FILES, canMap);
    for (; at < sequence.length; at++) {
      let caught: unknown;
      try {
        perform(stage, sequence[at] as Operation);
        compare(stage);
      } catch (error) {
        caught = error;
      }
      // What the witness saw explains what came of it.
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

/** Runs `operations` random operations, mapped ones too if files can be. Undefined when all is well. */
export function fsx(
  make: MakeFilesystem,
  deviceSize: number,
  seed: number,
  operations: number,
  canMap: boolean,
): FsxFailure | undefined {
  const random = seeded(seed);
  const limit = Math.min(128 * 1024, Math.floor(deviceSize / 16));
  const sequence = Array.from({ length: operations }, () => chooseOperation(random, FILES, limit));
  const first = run(make, deviceSize, sequence, canMap);
  if (first === undefined) return undefined;
  let { failure } = first;
  const shortest = shrink(sequence.slice(0, first.at + 1), (part) => {
    const found = run(make, deviceSize, part, canMap)?.failure;
    if (found?.rule !== first.failure.rule) return false;
    failure = found;
    return true;
  });
  return { failure, sequence: shortest.map(describe).join('\n') };
}
