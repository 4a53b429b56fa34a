// Owns the crash test of logs: workloads that create or open a log and work on it, whose outcome is known beforehand.

import type { BlockDevice } from 'node-dax';
import { openLog, type Log, type OpenLogOptions } from 'node-dax/log';
import { GARBAGE, MemoryDevice, type CrashTest, type Moment } from 'node-dax/testkit';
import { FaultyOrder, type OrderFault } from './log-order.js';
import { randomFrom, type Random } from './random.js';

/** Pages of words and two pages of records: the ring goes round often. */
export const LOG_SIZE = 16 * 1024;

export type Action =
  | { readonly kind: 'append' | 'appendv' | 'appendMany'; readonly lengths: readonly number[] }
  | { readonly kind: 'truncate'; readonly keep: number }
  | { readonly kind: 'open'; readonly options: OpenLogOptions };

/** The content of a record, which its sequence and length tell. */
export function contentOf(sequence: number, length: number): Uint8Array {
  return randomFrom(sequence * 7919 + length + 1).bytes(length);
}

/** A device and the open log on it, if there is one. */
export interface Opened {
  readonly device: BlockDevice;
  log: Log | undefined;
}

/** The lengths of records, by their sequences. */
type Lengths = ReadonlyMap<number, number>;

/** What must be in a log. */
interface State {
  readonly first: number;
  readonly next: number;
}

/** What a device has before a workload. */
export interface Before {
  readonly content: Uint8Array;
  /** The records that the log there may have. */
  readonly lengths: Lengths;
}

/** A workload, what the device has before it, and the records that it appends. */
export interface LogCrashTest extends Before {
  readonly actions: readonly Action[];
  readonly test: CrashTest<Opened>;
}

/** Does an action on a log. */
export function act(opened: Opened, action: Action): void {
  if (action.kind === 'open') {
    opened.log?.close();
    opened.log = openLog(opened.device, action.options);
    return;
  }
  const log = opened.log as Log;
  if (action.kind === 'truncate') {
    const entries = [...log.entries()];
    log.truncateBefore(action.keep === 0 ? log.tail : (entries.at(-action.keep)?.position ?? log.head));
    return;
  }
  const { nextSequence } = log.info();
  if (action.kind === 'appendMany') log.appendMany(action.lengths.map((length, index) => contentOf(nextSequence + index, length)));
  const [length] = action.lengths as [number];
  const record = contentOf(nextSequence, length);
  if (action.kind === 'append') log.append(record);
  if (action.kind === 'appendv') log.appendv([record.subarray(0, length / 3), record.subarray(length / 3)]);
}

function chooseAction(random: Random): Action {
  const lengths = Array.from({ length: 2 + random.below(4) }, () => random.below(random.pick([20, 200, 1200])));
  switch (random.below(10)) {
    case 0: return { kind: 'open', options: {} };
    case 1: case 2: return { kind: 'truncate', keep: random.below(3) };
    case 3: case 4: return { kind: 'appendMany', lengths };
    case 5: return { kind: 'appendv', lengths: [random.below(3000)] };
    default: return { kind: 'append', lengths: [random.below(random.pick([1, 50, 600, 4000]))] };
  }
}

/** Records, by sequence. Throws for one that is not what was appended. */
function stateOf(log: Log, lengths: Lengths): State {
  let first: number | undefined;
  let next = log.info().nextSequence;
  for (const { sequence, bytes } of log.records()) {
    if (first !== undefined && sequence !== next) throw new Error(`record ${sequence} follows record ${next - 1}`);
    first ??= sequence;
    next = sequence + 1;
    const length = lengths.get(sequence);
    if (length === undefined) throw new Error(`nobody has appended record ${sequence}`);
    if (Buffer.compare(bytes, contentOf(sequence, length)) !== 0) throw new Error(`record ${sequence} is not what was appended`);
  }
  return { first: first ?? next, next };
}

function checkState({ first, next }: State, now: State, then: State): void {
  if (first !== now.first && first !== then.first) throw new Error(`the first record is ${first} instead of ${now.first} or ${then.first}`);
  if (next < now.next) throw new Error(`records ${next} to ${now.next - 1} were acknowledged, and are gone`);
  if (next > then.next) throw new Error(`records ${then.next} to ${next - 1} were not appended yet`);
}

const NO_LENGTHS: Lengths = new Map();
const GARBAGE_BEFORE: Before = { content: new Uint8Array(LOG_SIZE).fill(GARBAGE), lengths: NO_LENGTHS };

// A device with a log of so many records.
function formerLog(random: Random): Before {
  const content = new Uint8Array(LOG_SIZE);
  const opened: Opened = { device: new MemoryDevice(content), log: openLog(new MemoryDevice(content), { create: true }) };
  const lengths = new Map<number, number>();
  for (let sequence = 1; sequence <= 5; sequence++) {
    lengths.set(sequence, random.below(1000));
    act(opened, { kind: 'append', lengths: [lengths.get(sequence) as number] });
  }
  opened.log?.close();
  return { content, lengths };
}

// The log on a device, if there is one. One that is damaged is an error.
function logOn(device: BlockDevice): Log | undefined {
  try {
    return openLog(device);
  } catch (error) {
    if ((error as { reason?: unknown }).reason !== 'NO_LOG') throw error;
    return undefined;
  }
}

interface Former {
  readonly id: string;
  readonly state: State;
}

function formerOf({ content, lengths }: Before): Former | undefined {
  const log = logOn(new MemoryDevice(content.slice()));
  return log && { id: log.info().id, state: stateOf(log, lengths) };
}

const EMPTY: State = { first: 1, next: 1 };

// Either there is no log, or the whole empty one, or the whole former one.
function checkCreate(log: Log | undefined, { isUnderway }: Moment, former: Former | undefined, { lengths }: Before): void {
  if (log === undefined) {
    if (!isUnderway && former !== undefined) throw new Error('the former log is gone');
  } else if (former?.id === log.info().id) {
    checkState(stateOf(log, lengths), former.state, former.state);
  } else {
    if (!isUnderway) throw new Error('there is a log that nobody has made');
    checkState(stateOf(log, NO_LENGTHS), EMPTY, EMPTY);
  }
}

// Chooses actions that succeed. Returns them, what is in the log before the first and after each, and what they append.
function rehearse(first: Action, random: Random, count: number, before: Before, found: State): { actions: Action[]; states: State[]; lengths: Lengths } {
  const opened: Opened = { device: new MemoryDevice(before.content.slice()), log: undefined };
  const actions: Action[] = [];
  const states = [found];
  const lengths = new Map([...before.lengths].filter(([sequence]) => sequence < found.next));
  while (actions.length < count) {
    let action = actions.length === 0 ? first : chooseAction(random);
    const next = opened.log?.info().nextSequence ?? 1;
    try {
      act(opened, action);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOSPC') throw error;
      action = { kind: 'truncate', keep: 1 };
      act(opened, action);
    }
    actions.push(action);
    if ('lengths' in action) {
      const appended = action.kind === 'appendMany' ? action.lengths : action.lengths.slice(0, 1);
      for (const [index, length] of appended.entries()) lengths.set(next + index, length);
    }
    states.push(stateOf(opened.log as Log, lengths));
  }
  return { actions, states, lengths };
}

/**
 * A workload of that many actions, all of which succeed, with the records that must be found after each. The first action opens the
 * log that `before` has. Without `before`, it creates a log, on garbage or over another log.
 */
export function logCrashTest(seed: number, count: number, { before, fault }: { before?: Before; fault?: OrderFault } = {}): LogCrashTest {
  const random = randomFrom(seed);
  const start = before ?? (random.below(2) === 0 ? GARBAGE_BEFORE : formerLog(random));
  const former = formerOf(start);
  const isCreated = before === undefined;
  const first: Action = { kind: 'open', options: isCreated ? { create: true, force: true } : {} };
  const found = isCreated ? EMPTY : (former as Former).state;
  const known: Before = isCreated ? { content: start.content, lengths: NO_LENGTHS } : start;
  const { actions, states, lengths } = rehearse(first, random, count, known, found);
  const on = (device: BlockDevice): BlockDevice => new FaultyOrder(device, fault);
  const lengthsIn = (log: Log | undefined): Lengths => (isCreated && log !== undefined && log.info().id === former?.id ? start.lengths : lengths);
  const test: CrashTest<Opened> = {
    size: LOG_SIZE,
    make(recording) {
      recording.writeSync(start.content, 0);
      return { device: on(recording), log: undefined };
    },
    operations: actions.map((action, index) => ({
      name: `${index} ${JSON.stringify(action)}`,
      run: (opened: Opened) => { act(opened, action); },
    })),
    mount(image) {
      const device = on(image);
      return { device, log: logOn(device) };
    },
    check({ log }, moment) {
      if (isCreated && moment.completed === 0) {
        checkCreate(log, moment, former, start);
        return;
      }
      if (log === undefined) throw new Error('the log is gone');
      const now = states[moment.completed] as State;
      checkState(stateOf(log, lengths), now, moment.isUnderway ? (states[moment.completed + 1] as State) : now);
    },
    goOn(opened) {
      goOn(opened, lengthsIn(opened.log));
    },
  };
  return { content: start.content, actions, lengths, test };
}

// What is appended after a power cut is found after the next one, and nothing that was not acknowledged comes back behind it. If
// there is no log, one can be made.
function goOn(opened: Opened, lengths: Lengths): void {
  let log = opened.log ?? openLog(opened.device, { create: true, force: true });
  const before = stateOf(log, lengths);
  const all = new Map(lengths);
  for (let { next } = before; next < before.next + 2; next++) {
    // As long as the record that was cut off, so what lay behind that lies behind this.
    const length = lengths.get(next) ?? 8;
    all.set(next, length);
    try {
      log.append(contentOf(next, length));
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOSPC') throw error;
      log.truncateBefore(log.tail);
      log.append(contentOf(next, length));
    }
    log.close();
    log = openLog(opened.device);
    const after = stateOf(log, all);
    if (after.next !== next + 1) throw new Error(`after record ${next} came ${after.next - next - 1} that nobody has appended`);
  }
}
