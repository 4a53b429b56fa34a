// Owns how long promise calls may keep the thread: what is small is done at once, and the event loop has its turn all the same.

import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';
import { Line } from './line.js';

// Milliseconds. Handing a small copy to a thread and back takes ten times as long as the copy.
const BUDGET = 5;

// Looking at the clock takes half as long as a small copy: it is looked at after so many of these.
const UNITS_PER_LOOK = 16;
const UNIT_BYTES = 4096;

// When promise calls began to use this turn of the loop; undefined in a turn in which there was none.
let began: number | undefined;
let units = 0;
const waiting = new Line<() => void>();

/**
 * What every promise call asks before it works on this thread. Undefined: go on at once. Otherwise promise calls have kept
 * the thread for 5 ms: `await` what is returned, which resolves in a later turn of the event loop, first come, first served.
 * `bytes` is how much is about to be moved in memory; leave it out for work of another kind, which may take longer.
 */
export function loopTurn(bytes?: number): Promise<void> | undefined {
  if (began === undefined) {
    begin();
    return undefined;
  }
  if (waiting.isEmpty) {
    units += bytes === undefined ? UNITS_PER_LOOK : 1 + bytes / UNIT_BYTES;
    if (units < UNITS_PER_LOOK) return undefined;
    units = 0;
    if (!isSpent()) return undefined;
  }
  return new Promise((resolve) => waiting.join(resolve));
}

function isSpent(): boolean {
  return performance.now() - (began as number) >= BUDGET;
}

function begin(): void {
  began = performance.now();
  units = 0;
  setImmediate(end);
}

function end(): void {
  began = undefined;
  if (waiting.isEmpty) return;
  begin();
  wake();
}

// One after the other, for as long as this turn lasts. Who is woken works in a microtask, before the one that is queued
// here, and has its place until then: who comes meanwhile comes later.
function wake(): void {
  const place = waiting.first;
  if (place === undefined) return;
  place.who();
  queueMicrotask(() => {
    waiting.leave(place);
    if (!isSpent()) wake();
  });
}
