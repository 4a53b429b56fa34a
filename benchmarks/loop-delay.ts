// Preloaded by a process that is measured: it answers each message with the longest time, in nanoseconds, for which its event loop
// has not turned since the message before.

import { monitorEventLoopDelay } from 'node:perf_hooks';

const delay = monitorEventLoopDelay({ resolution: 1 });
process.on('message', () => {
  process.send?.(delay.max);
  delay.reset();
  // Nothing is measured, and no time is spent, before the first message.
  delay.enable();
});
// It keeps no process alive.
process.channel?.unref();
