// Owns the errors of the guest runner and their exit statuses.

/** Exit status when the command ran longer than `timeout` allows, the same as that of timeout(1). */
export const EXIT_TIMEOUT = 124;

/** Exit status when the guest itself failed: it could not be started, provisioned, or died under the command. */
export const EXIT_GUEST = 125;

/** Exit status when the user ended the guest by the terminal's escape key: that of Ctrl-C. */
export const EXIT_ESCAPE = 130;

/**
 * A failure of the guest itself, not of the command in it. `exitStatus` is 124 for a timeout, 130 after the escape key, and
 * otherwise 125.
 */
export class VmError extends Error {
  readonly exitStatus: number;

  constructor(message: string, exitStatus = EXIT_GUEST) {
    super(message);
    this.name = 'VmError';
    this.exitStatus = exitStatus;
  }
}
