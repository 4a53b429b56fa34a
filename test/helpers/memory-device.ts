// Owns a block device made of memory: no file, no privileges, and it fails, falls short and waits when it is told to.
// After `takeMemoryFrom`, the memory is a part of a device, and copies are that device's own.

import {
  bdevDirectAccess,
  DaxError,
  openSync,
  PAGE_SIZE,
  SECTOR_SIZE,
  type Abortable,
  type BlockDevice,
  type BufferRange,
  type Bytes,
  type DaxDevice,
  type DirectAccess,
  type FlushOption,
  type WriteOptions,
} from 'node-dax';

/** What lies at once before a direct access: the rest of the device, or one page. */
export type Driver = 'pmem' | 'brd';

/** What the medium holds before anything is stored, so whatever nobody initialised shows. */
export const GARBAGE = 0xa5;

export interface Store {
  kind: 'write' | 'zero';
  pos: number;
  length: number;
  /** Durable on return. */
  flush: boolean;
}

/** An asynchronous copy that waits. */
export interface Parked {
  /** Resolves when a copy has come. */
  readonly arrived: Promise<void>;
  /** Lets it go on. */
  resume(): void;
}

interface Fault {
  pos: number;
  end: number;
  code: 'EIO' | 'EFAULT';
}

interface Waiting {
  arrive: () => void;
  resumed: Promise<void>;
}

interface Backing {
  device: DaxDevice;
  /** Where the memory begins on it. */
  base: number;
}

let shared: DaxDevice | undefined;
let next = 0;

/** Has the memory of each later `MemoryDevice` be a part of the device at `path`, until this is called without one. */
export function takeMemoryFrom(path: string | undefined): void {
  shared?.closeSync();
  shared = path === undefined ? undefined : openSync(path);
  next = 0;
}

/** Whether the memory is a device's. */
export function isOnDevice(): boolean {
  return shared !== undefined;
}

// One after the other, and from the start again: a test is done with its devices when that comes round.
function takeBacking(size: number): Backing | undefined {
  if (shared === undefined) return undefined;
  if (next + size > shared.size) next = 0;
  const base = next;
  next += Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
  return { device: shared, base };
}

export class MemoryDevice implements BlockDevice {
  readonly memory: Uint8Array;
  readonly granularity = 'byte';
  readonly directAccesses: { sector: number; size: number }[] = [];
  readonly stores: Store[] = [];
  /** Asynchronous copies that came, parked or not. */
  asynchronous = 0;
  /** Direct access to what holds `pos` throws `code`. */
  failDirectAccessAt: { pos: number; code: string } | undefined;
  readonly #driver: Driver;
  readonly #backing: Backing | undefined;
  #faults: Fault[] = [];
  readonly #waiting: Waiting[] = [];

  constructor(size = 4 * 1024 * 1024, driver: Driver = 'pmem') {
    this.#backing = takeBacking(size);
    this.memory = this.#backing?.device.view(this.#backing.base, size) ?? new Uint8Array(size);
    this.memory.fill(GARBAGE);
    this.#driver = driver;
  }

  get size(): number {
    return this.memory.byteLength;
  }

  /** Copies stop before `pos`, and fail at it: `EIO` for a bad page of the medium, `EFAULT` for the user's memory. */
  failAt(pos: number, code: Fault['code'], length = 1): void {
    this.#faults.push({ pos, end: pos + length, code });
  }

  get isFaulty(): boolean {
    return this.#faults.length > 0 || this.failDirectAccessAt !== undefined;
  }

  heal(): void {
    this.#faults = [];
    this.failDirectAccessAt = undefined;
  }

  /** The next asynchronous copy waits; called again, the one after it. */
  park(): Parked {
    const [arrived, arrive] = latch();
    const [resumed, resume] = latch();
    this.#waiting.push({ arrive, resumed });
    return { arrived, resume };
  }

  directAccess(sector: Bytes, size: Bytes): DirectAccess {
    this.directAccesses.push({ sector: Number(sector), size: Number(size) });
    const op = (at: number, wanted: number) => {
      const pos = at * SECTOR_SIZE;
      const bytes = this.#driver === 'brd' ? PAGE_SIZE : this.size - pos;
      const failing = this.failDirectAccessAt;
      if (failing !== undefined && failing.pos >= pos && failing.pos < pos + Math.min(bytes, wanted)) {
        throw new DaxError({ errno: failing.code, syscall: 'directAccess', position: failing.pos });
      }
      return { bytes, window: this.memory.subarray(pos, pos + Math.min(bytes, wanted)), pfn: pos / PAGE_SIZE };
    };
    return bdevDirectAccess(op, this.size / SECTOR_SIZE, sector, size);
  }

  readSync(target: NodeJS.ArrayBufferView, pos: Bytes, options?: BufferRange): number {
    const bytes = part(target, options);
    const from = Number(pos);
    const length = this.#reach('read', from, bytes.length);
    if (this.#backing === undefined) bytes.set(this.memory.subarray(from, from + length));
    else this.#backing.device.readSync(bytes, this.#backing.base + from, { length });
    return length;
  }

  writeSync(source: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions): number {
    const bytes = part(source, options);
    const from = Number(pos);
    const length = this.#reach('write', from, bytes.length);
    if (this.#backing === undefined) this.memory.set(bytes.subarray(0, length), from);
    else this.#backing.device.writeSync(bytes, this.#backing.base + from, { length, flush: options?.flush });
    this.stores.push({ kind: 'write', pos: from, length, flush: options?.flush ?? true });
    return length;
  }

  async read(target: NodeJS.ArrayBufferView, pos: Bytes, options?: BufferRange & Abortable): Promise<number> {
    await this.#wait(options?.signal);
    return this.readSync(target, pos, options);
  }

  async write(source: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions & Abortable): Promise<number> {
    await this.#wait(options?.signal);
    return this.writeSync(source, pos, options);
  }

  zeroSync(pos: Bytes, length: Bytes, options?: FlushOption): number {
    const from = Number(pos);
    const zeroed = this.#reach('zero', from, Number(length));
    if (this.#backing === undefined) this.memory.fill(0, from, from + zeroed);
    else this.#backing.device.zeroSync(this.#backing.base + from, zeroed, options);
    this.stores.push({ kind: 'zero', pos: from, length: zeroed, flush: options?.flush ?? true });
    // As a device does that met a bad page on the way.
    return zeroed < Number(length) ? this.#reach('zero', from + zeroed, Number(length) - zeroed) : zeroed;
  }

  flush(): void {
    // Every store is durable at once.
  }

  drain(): void {
    // As flush.
  }

  persist(): void {
    // As flush.
  }

  // How much of a copy can be made: it ends before the first fault, and throws on one.
  #reach(syscall: string, pos: number, wanted: number): number {
    if (pos >= this.size && wanted > 0) {
      if (syscall === 'read') return 0;
      throw new DaxError({ errno: 'ENOSPC', syscall, position: pos });
    }
    let end = Math.min(pos + wanted, this.size);
    for (const fault of this.#faults) {
      // Zeroing takes nothing from the user.
      if (fault.end <= pos || fault.pos >= end || (syscall === 'zero' && fault.code === 'EFAULT')) continue;
      if (fault.pos <= pos) throw new DaxError({ errno: fault.code, syscall, position: pos });
      end = fault.pos;
    }
    return end - pos;
  }

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    this.asynchronous++;
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return;
    waiting.arrive();
    await new Promise<void>((resolve, reject) => {
      signal?.addEventListener('abort', () => {
        reject(signal.reason as Error);
      });
      void waiting.resumed.then(resolve);
    });
  }
}

/** A promise and what resolves it. */
export function latch(): [reached: Promise<void>, reach: () => void] {
  const reaching: { reach?: () => void } = {};
  const reached = new Promise<void>((resolve) => {
    reaching.reach = resolve;
  });
  return [reached, () => reaching.reach?.()];
}

function part(view: NodeJS.ArrayBufferView, range: BufferRange | undefined): Uint8Array {
  const offset = range?.offset ?? 0;
  return new Uint8Array(view.buffer, view.byteOffset + offset, range?.length ?? view.byteLength - offset);
}
