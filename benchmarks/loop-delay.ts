// Preloaded by a process that is measured: it answers each message with the longest time, in nanoseconds, for which its event loop
// has not turned since the message before. The time for which the process wanted a processor and others had it does not count.

import { openSync, readSync } from 'node:fs';

// Milliseconds between two looks of a loop that is not kept.
const TICK = 1;
// Of the main thread: the nanoseconds for which it has run, and those for which it waited for a processor.
const schedule = openSync('/proc/self/schedstat', 'r');
const text = Buffer.alloc(64);

let timer: NodeJS.Timeout | undefined;
let longest = 0;
let last = 0;

// A clock that stands still while the process waits for a processor.
function ownTime(): number {
  const waited = text.toString('latin1', 0, readSync(schedule, text, 0, text.length, 0)).split(' ')[1];
  return Number(process.hrtime.bigint()) - Number(waited);
}

function look(): void {
  const now = ownTime();
  longest = Math.max(longest, now - last - TICK * 1e6);
  last = now;
}

process.on('message', () => {
  process.send?.(longest);
  longest = 0;
  last = ownTime();
  // Nothing is measured, and no time is spent, before the first message.
  timer ??= setInterval(look, TICK).unref();
});
// It keeps no process alive.
process.channel?.unref();
