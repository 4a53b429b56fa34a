// Owns the crash test of logs: workloads whose outcome is known beforehand, and devices on which the order of stores is broken.

import type { BlockDevice, Bytes, FlushOption, WriteOptions } from 'node-dax';
import { openLog, type Log } from 'node-dax/log';
import { MemoryDevice, type CrashTest, type Moment } from 'node-dax/testkit';
import { randomFrom, type Random } from './random.js';

// Pages of words and two pages of records: the ring goes round often.
const LOG_SIZE = 16 * 1024;
const TAIL_POS = 4096;
const HEAD_POS = 4160;
const NEXT_HEAD_POS = 4224;
const RING_POS = 8192;

export type OrderFault =
  | 'forgets to flush records'
  | 'publishes before the record is durable'
  | 'acknowledges before the tail is durable'
  | 'uses room again before the head is durable'
  | 'moves the head before its copy'
  | 'clears nothing at recovery';

// Passes everything on to a device, but breaks the order in one way.
class FaultyOrder implements BlockDevice {
  readonly size: number;
  readonly granularity = 'cache_line';
  readonly #device: BlockDevice;
  readonly #fault: OrderFault | undefined;
  #late: [number, number][] = [];
  #lateHead: Uint8Array | undefined;

  constructor(device: BlockDevice, fault: OrderFault | undefined) {
    this.size = device.size;
    this.#device = device;
    this.#fault = fault;
  }

  directAccess(sector: Bytes, size: Bytes) {
    return this.#device.directAccess(sector, size);
  }

  readSync(target: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions): number {
    return this.#device.readSync(target, pos, options);
  }

  writeSync(source: NodeJS.ArrayBufferView, pos: Bytes, options: WriteOptions = {}): number {
    const isLazy =
      (this.#fault === 'acknowledges before the tail is durable' && pos === TAIL_POS) ||
      (this.#fault === 'uses room again before the head is durable' && pos === HEAD_POS);
    if (this.#fault === 'moves the head before its copy' && pos === NEXT_HEAD_POS) {
      this.#lateHead = new Uint8Array(source.buffer.slice(source.byteOffset, source.byteOffset + source.byteLength));
      return source.byteLength;
    }
    const written = this.#device.writeSync(source, pos, isLazy ? { ...options, flush: false } : options);
    if (pos === HEAD_POS && this.#lateHead !== undefined) this.#device.writeSync(this.#lateHead, NEXT_HEAD_POS);
    for (const [at, length] of this.#late.splice(0)) this.#device.persist(at, length);
    return written;
  }

  zeroSync(pos: Bytes, length: Bytes, options?: FlushOption): number {
    if (this.#fault === 'clears nothing at recovery' && Number(pos) >= RING_POS) return Number(length);
    return this.#device.zeroSync(pos, length, options);
  }

  flush(pos: Bytes, length: Bytes): void {
    this.#device.flush(pos, length);
  }

  drain(): void {
    this.#device.drain();
  }

  persist(pos: Bytes, length: Bytes): void {
    if (Number(pos) >= RING_POS && this.#fault === 'forgets to flush records') return;
    if (Number(pos) >= RING_POS && this.#fault === 'publishes before the record is durable') this.#late.push([Number(pos), Number(length)]);
    else this.#device.persist(pos, length);
  }
}

type Action =
  | { readonly kind: 'append' | 'appendv' | 'appendMany'; readonly lengths: readonly number[] }
  | { readonly kind: 'truncate'; readonly keep: number }
  | { readonly kind: 'reopen' };

/** The content of a record, which its sequence and length tell. */
export function contentOf(sequence: number, length: number): Uint8Array {
  return randomFrom(sequence * 7919 + length + 1).bytes(length);
}

/** An open log and the device that it is on. */
export interface Opened {
  readonly device: BlockDevice;
  log: Log;
}

/** What must be in a log. */
interface State {
  readonly first: number;
  readonly next: number;
}

function act(opened: Opened, action: Action): void {
  const { log } = opened;
  if (action.kind === 'reopen') {
    log.close();
    opened.log = openLog(opened.device);
    return;
  }
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
    case 0: return { kind: 'reopen' };
    case 1: case 2: return { kind: 'truncate', keep: random.below(3) };
    case 3: case 4: return { kind: 'appendMany', lengths };
    case 5: return { kind: 'appendv', lengths: [random.below(3000)] };
    default: return { kind: 'append', lengths: [random.below(random.pick([1, 50, 600, 4000]))] };
  }
}

/** Records, by sequence. Throws for one that is not what was appended. */
function stateOf(log: Log, lengths: ReadonlyMap<number, number>): State {
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

function checkState({ first, next }: State, states: readonly State[], { completed, isUnderway }: Moment): void {
  const now = states[completed] as State;
  const then = isUnderway ? (states[completed + 1] as State) : now;
  if (first !== now.first && first !== then.first) throw new Error(`the first record is ${first} instead of ${now.first} or ${then.first}`);
  if (next < now.next) throw new Error(`records ${next} to ${now.next - 1} were acknowledged, and are gone`);
  if (next > then.next) throw new Error(`records ${then.next} to ${next - 1} were not appended yet`);
}

/** A workload of so many operations, each of which succeeds, with what must be found after each. */
export function logCrashTest(seed: number, operations: number, fault?: OrderFault): CrashTest<Opened> {
  const random = randomFrom(seed);
  const actions: Action[] = [];
  const states: State[] = [{ first: 1, next: 1 }];
  const lengths = new Map<number, number>();
  const rehearsed: Opened = rehearse();
  while (actions.length < operations) {
    let action = chooseAction(random);
    const { nextSequence } = rehearsed.log.info();
    try {
      act(rehearsed, action);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOSPC') throw error;
      action = { kind: 'truncate', keep: 1 };
      act(rehearsed, action);
    }
    actions.push(action);
    if ('lengths' in action) {
      const appended = action.kind === 'appendMany' ? action.lengths : action.lengths.slice(0, 1);
      for (const [index, length] of appended.entries()) lengths.set(nextSequence + index, length);
    }
    states.push(stateOf(rehearsed.log, lengths));
  }
  const on = (device: BlockDevice): BlockDevice => new FaultyOrder(device, fault);
  return {
    size: LOG_SIZE,
    make(recording) {
      const device = on(recording);
      return { device, log: openLog(device, { create: true, force: true }) };
    },
    operations: actions.map((action, index) => ({
      name: `${index} ${JSON.stringify(action)}`,
      run: (opened: Opened) => { act(opened, action); },
    })),
    mount(image) {
      const device = on(image);
      return { device, log: openLog(device) };
    },
    check({ log }, moment) {
      checkState(stateOf(log, lengths), states, moment);
    },
    goOn(opened) {
      goOn(opened, lengths);
    },
  };
}

// What is appended after a power cut is found after the next one, and nothing that was not acknowledged comes back behind it.
function goOn(opened: Opened, lengths: ReadonlyMap<number, number>): void {
  const before = stateOf(opened.log, lengths);
  const all = new Map(lengths);
  for (let { next } = before; next < before.next + 2; next++) {
    // As long as the record that was cut off, so that what lay behind that lies behind this.
    const length = lengths.get(next) ?? 8;
    all.set(next, length);
    try {
      opened.log.append(contentOf(next, length));
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOSPC') throw error;
      opened.log.truncateBefore(opened.log.tail);
      opened.log.append(contentOf(next, length));
    }
    opened.log.close();
    opened.log = openLog(opened.device);
    const after = stateOf(opened.log, all);
    if (after.next !== next + 1) throw new Error(`after record ${next} came ${after.next - next - 1} that nobody has appended`);
  }
}

function rehearse(): Opened {
  const device = new MemoryDevice(new Uint8Array(LOG_SIZE));
  return { device, log: openLog(device, { create: true, force: true }) };
}
