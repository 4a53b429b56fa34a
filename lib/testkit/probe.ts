// Owns what a probe is: one rule, tried on a filesystem of its own.

import { DaxError } from 'node-dax';
import { Failure } from './failure.js';
import type { RuleId } from './rules.js';
import type { OpenFile, Session } from './session.js';

/** Throw `Failure` for what is wrong; return why it could not be tried. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- most can be tried
export type Outcome = string | void;

export interface Probe {
  readonly rule: RuleId;
  readonly title: string;
  /** It needs a device whose files can be mapped. */
  readonly isMapped?: boolean;
  run(session: Session): Outcome | Promise<Outcome>;
}

/** Fails `rule` unless `condition`. */
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

/** Bytes in a page, which truncation zeroes to the end of. */
export const PAGE = 4096;
