// Owns the failure of a check: the rule that was broken, and what was seen.

import type { RuleId } from './rules.js';

/** Thrown by a check, and kept by the witness. */
export class Failure extends Error {
  readonly rule: RuleId;

  constructor(rule: RuleId, message: string) {
    super(message);
    this.name = 'Failure';
    this.rule = rule;
  }
}
