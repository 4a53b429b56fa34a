// Owns the window of seconds in which a job must be steady to end.

import type { Trial } from './figures.js';
import type { Job } from '../jobs/job.js';
import { steadinessOf, type SteadyState } from '../jobs/steady-state.js';

const SECOND_MS = 1000;

/** The last seconds of a job. As fio does, it takes a sample each second, and judges all of them once there are enough. */
export class SteadyWindow {
  readonly #wanted: SteadyState;
  readonly #duration: number;
  readonly #rampMs: number;
  readonly #bs: number;
  readonly #samples: number[] = [];
  #last = { operations: 0, elapsed: 0 };
  #isAttained = false;

  private constructor(wanted: SteadyState, duration: number, rampMs: number, bs: number) {
    this.#wanted = wanted;
    this.#duration = duration;
    this.#rampMs = rampMs;
    this.#bs = bs;
  }

  /** That of a job; undefined if it has no steady state. */
  static of({ steadystate, steadystate_duration: duration, steadystate_ramp_time: ramp = 0, bs }: Job): SteadyWindow | undefined {
    return steadystate === undefined || duration === undefined ? undefined : new SteadyWindow(steadystate, duration, ramp * SECOND_MS, bs);
  }

  get window(): NonNullable<Trial['steady']> {
    return { isAttained: this.#isAttained, iops: [...this.#samples] };
  }

  get isAttained(): boolean {
    return this.#isAttained;
  }

  /** Takes the operations that were counted so far, and the milliseconds in which they were made. */
  take(operations: number, elapsed: number): void {
    const since = elapsed - this.#last.elapsed;
    if (elapsed > this.#rampMs && since < SECOND_MS) return;
    if (elapsed > this.#rampMs) {
      this.#samples.push(((operations - this.#last.operations) * SECOND_MS) / since);
      if (this.#samples.length > this.#duration) this.#samples.shift();
      this.#isAttained = this.#samples.length === this.#duration && steadinessOf(this.#wanted, this.#samples, this.#bs).isSteady;
    }
    this.#last = { operations, elapsed };
  }
}
