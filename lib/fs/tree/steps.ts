// Owns the two ways through work of many small steps: all of them at once, or with the event loop's turn in between.

import { loopTurn } from 'node-dax';

/** Work that yields after each small step, and then returns its result. */
export type Steps<T> = Generator<undefined, T, undefined>;

/** Takes all steps, and returns the result. */
export function takeAll<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Takes the steps for as long as promise calls may keep the thread, and goes on in the next turn of the event loop. */
export async function takeInTurns<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    const turn = loopTurn();
    if (turn !== undefined) await turn;
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}
