// Owns the time for which promise calls may keep the thread, so small work is done immediately but the event loop still gets its
// turns.

import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';
import { Line } from './line.js';

// Milliseconds of one turn. Small copies stay on the thread, because handing one to another thread takes ten times as long.
const BUDGET = 2;

// The number of small copies between two readings of the clock. A reading takes half as long as a small copy.
const UNITS_PER_LOOK = 16;
const UNIT_BYTES = 4096;

// The time at which promise calls began to use this turn of the loop; undefined if none has in this turn.
let began: number | undefined;
let units = 0;
const waiting = new Line<() => void>();

/**
 * Tells whether a promise call may work on this thread now. If it returns undefined, the call goes on at once. Otherwise
 * promise calls have kept the thread for 2 ms, and the call must await the promise, which resolves in a later turn of the event
 * loop, first come, first served. `bytes` is the number of bytes that the call will move in memory; leave it out for other
 * work, which may take longer.
 */
export function loopTurn(bytes?: number): Promise<void> | undefined {
  if (began === undefined) {
    begin();
    return undefined;
  }
  if (waiting.first === undefined) {
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
  if (waiting.first === undefined) return;
  begin();
  wake();
}

// Wakes waiters one after the other, for as long as this turn lasts. A waiter works in a microtask that runs before the one queued
// here. It keeps its place until the one queued here, so that later calls come after it.
function wake(): void {
  const place = waiting.first;
  if (place === undefined) return;
  place.who();
  queueMicrotask(() => {
    waiting.leave(place);
    if (!isSpent()) wake();
  });
}
