// Owns what ends a guest from outside: the time that the whole run may take, the time that a boot may take, and the caller's signal.

import { EXIT_TIMEOUT, VmError } from '../error.js';
import type { Guest } from './guest.js';

/** Milliseconds in which the devices of any guest must be ready. */
const BOOT_DEADLINE = 300_000;

export interface LimitOptions {
  /** Seconds that the whole run may take. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  /** Whether the guest may stand still for as long as someone looks at it. */
  readonly patient: boolean;
}

/** The caller's timeout and abort signal, which apply to every guest of the run. */
export class Limits {
  /** Whether the timeout has passed or the signal was aborted. */
  reached = false;
  #guest: Guest | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #patient: boolean;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #abort = (): void => {
    this.#end((guest) => { guest.kill(this.#signal?.reason); });
  };

  constructor({ timeout, signal, patient }: LimitOptions) {
    this.#signal = signal;
    this.#patient = patient;
    signal?.addEventListener('abort', this.#abort);
    if (timeout !== undefined) {
      this.#timer = setTimeout(() => {
        this.#end((guest) => { guest.kill(new VmError(`the command did not end in ${timeout} s`, EXIT_TIMEOUT)); });
      }, timeout * 1000);
    }
  }

  /** Applies them to `guest`, and waits until its devices are ready. Rejects as its status does. */
  async ready(guest: Guest): Promise<void> {
    this.#guest = guest;
    const late = this.#patient ? undefined : setTimeout(() => { guest.fail(`the guest was not ready in ${BOOT_DEADLINE / 1000} s`); }, BOOT_DEADLINE);
    try {
      await guest.ready;
    } finally {
      clearTimeout(late);
    }
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#abort);
  }

  #end(how: (guest: Guest) => void): void {
    this.reached = true;
    if (this.#guest !== undefined) how(this.#guest);
  }
}
