// Owns how a check fails: with the rule that was broken, and what was seen.

/** Thrown by a check, and kept by the witness. */
export class Failure extends Error {
  /** The id in the specification of the filesystem writer's interface, such as `TR-8`. */
  readonly rule: string;

  constructor(rule: string, message: string) {
    super(message);
    this.name = 'Failure';
    this.rule = rule;
  }
}
