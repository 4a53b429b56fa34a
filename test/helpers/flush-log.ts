// Owns a device that notes what it is told to make durable, and keeps what would be there after a power cut.

import type { Backing, Bytes, DaxDevice } from 'node-dax';

export interface FlushLog {
  /** The opened device in all but this: what stores leave on it is not durable by itself. */
  readonly device: DaxDevice;
  /** What was flushed, in bytes, since the last time that this was emptied. */
  flushed: { pos: number; length: number }[];
  drained: number;
  /** What is durable of the medium, as far as it was flushed. */
  readonly durable: Uint8Array;
  /** Called at the beginning of a flush; what it throws comes out of it. */
  onFlush: ((pos: number, length: number) => void) | undefined;
}

export function logFlushes(opened: DaxDevice, granularity: 'byte' | 'cache_line' = 'cache_line'): FlushLog {
  const flush = (at: Bytes, bytes: Bytes) => {
    const pos = Number(at);
    const length = Number(bytes);
    log.onFlush?.(pos, length);
    log.flushed.push({ pos, length });
    log.durable.set(opened.view(pos, length), pos);
    opened.flush(pos, length);
  };
  const drain = () => {
    log.drained++;
    opened.drain();
  };
  const device: DaxDevice = new Proxy(opened, {
    get(target, key) {
      if (key === 'granularity') return granularity;
      if (key === 'backing') return (pos: number): Backing => ({ device: opened, pos });
      if (key === 'flush') return flush;
      if (key === 'drain') return drain;
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const log: FlushLog = { device, flushed: [], drained: 0, durable: new Uint8Array(opened.size), onFlush: undefined };
  return log;
}
