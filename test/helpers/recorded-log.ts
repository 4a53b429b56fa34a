// Owns traces of logs that the addon itself stores: a process with the recording addon does the actions on an ordinary file.

import { spawnSync } from 'node:child_process';
import { readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Trace, TraceEvent } from 'node-dax/testkit';
import { LOG_SIZE, type LogCrashTest } from './log-crash.js';
import { scratchPath } from './devices.js';

const ADDON = join(__dirname, '..', '..', '..', 'build', 'Release', 'recorded.node');
const MAIN = join(__dirname, 'log-crash-main.js');

type Recorded = Exclude<TraceEvent, { kind: 'store' | 'mark' }> | { kind: 'store'; pos: number; isOrdered: false; bytes: string };

/** What the actions store. `isStreamed`: past the caches, as processors of x86 can; else by stores and flushes alone. */
export function recordLog(test: Test, { content, actions, test: { operations } }: LogCrashTest, isStreamed: boolean): Trace {
  const [path, events] = [scratchPath(test, '/dev/shm'), scratchPath(test, '/dev/shm')];
  writeFileSync(path, Buffer.concat([content, Buffer.alloc(4096)]));
  const env = {
    ...{ ...process.env, TAP: '', NODE_OPTIONS: '' },
    ...{ NODE_DAX_ADDON: ADDON, NODE_DAX_RECORD: events, NODE_DAX_FORCE_GRANULARITY: 'cache_line' },
    ...(!isStreamed && { NODE_DAX_NO_MOVNT: '1' }),
  };
  const { status, stderr } = spawnSync(process.execPath, [MAIN, path], { env, input: JSON.stringify(actions), encoding: 'utf8' });
  if (status !== 0) throw new Error(`the recorded process ended with ${status}: ${stderr}`);
  let marks = 0;
  const eventOf = (event: Recorded): TraceEvent => {
    if (event.kind === 'store') return { ...event, bytes: Buffer.from(event.bytes, 'hex') };
    if (event.kind !== 'flush' || event.pos < LOG_SIZE) return event;
    const { name } = operations[Math.floor(marks / 2)] as { name: string };
    return { kind: 'mark', name, edge: marks++ % 2 === 0 ? 'begin' : 'end' };
  };
  const lines = readFileSync(events, 'utf8').trimEnd().split('\n');
  // Of hundreds of traces all would stay until the end of the test.
  unlinkSync(events);
  const trace = { content, events: lines.map((line) => eventOf(JSON.parse(line) as Recorded)) };
  if (marks !== 2 * actions.length) throw new Error(`${marks} marks of ${actions.length} actions`);
  return trace;
}
