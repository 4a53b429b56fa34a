// Owns the definition of a probe: the test of one rule on a filesystem of its own.

import { DaxError } from 'node-dax';
import { Failure } from '../failure.js';
import type { RuleId } from '../rules.js';
import type { OpenFile, Session } from './session.js';

/** The result of a probe: nothing if it passed, or why it could not be tried. A probe that fails throws `Failure`. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- most can be tried
export type Outcome = string | void;

export interface Probe {
  readonly rule: RuleId;
  readonly title: string;
  /** Whether it needs a device whose files can be mapped. */
  readonly isMapped?: boolean;
  run(session: Session): Outcome | Promise<Outcome>;
}

/** Throws a `Failure` of `rule` unless `condition`. */
export function expect(rule: RuleId, condition: boolean, message: string): asserts condition {
  if (!condition) throw new Failure(rule, message);
}

/** The `code` of the `DaxError` that `work` throws; none if it does not throw. */
export function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof DaxError) return error.code;
    throw error;
  }
}

/** Fails unless no lock of the file is held and no I/O counted. */
export function expectFree(when: string, { inode }: OpenFile): void {
  for (const [name, lock] of [['ilock', inode.ilock], ['inval', inode.inval]] as const) {
    expect('LK-4', lock.tryExclusive(), `${when}, ${name} is held`);
    lock.releaseExclusive();
  }
  expect('LK-4', inode.dioCount === 0, `${when}, I/O is counted that is over`);
}

/** Bytes in a page. Truncation zeroes the last page of a file up to its end. */
export const PAGE = 4096;
