// Owns the record of accesses to a device: stores with their bytes, flushes, fences and marks, in order.

/** Bytes that were stored. */
export interface StoreEvent {
  readonly kind: 'store';
  /** Where, in bytes from the start of the device. */
  readonly pos: number;
  readonly bytes: Uint8Array;
  /**
   * Whether the medium gets the store's pieces in ascending order within a cache line. Stores through a window are found
   * afterwards, when their order is no longer known.
   */
  readonly isOrdered: boolean;
}

/** The start of the write-back of a range's cache lines. A fence ends it. */
export interface FlushEvent {
  readonly kind: 'flush';
  readonly pos: number;
  readonly length: number;
}

export interface FenceEvent {
  readonly kind: 'fence';
}

/** A mark that the caller recorded: the begin or the end of an operation. */
export interface MarkEvent {
  readonly kind: 'mark';
  readonly name: string;
  readonly edge: 'begin' | 'end';
}

export type TraceEvent = StoreEvent | FlushEvent | FenceEvent | MarkEvent;

export interface Trace {
  /** The durable content before the first event. */
  readonly content: Uint8Array;
  readonly events: readonly TraceEvent[];
}

/** Bytes of a cache line, the unit of flushes. */
export const LINE = 64;
/** Bytes of the largest aligned store that a power cut leaves whole or not at all. */
export const WORD = 8;

/** Calls `each` with the parts of a range that lie in one aligned word, in ascending order. */
export function forEachWord(pos: number, length: number, each: (pos: number, length: number) => void): void {
  const end = pos + length;
  for (let at = pos; at < end; ) {
    const next = Math.min(end, at - (at % WORD) + WORD);
    each(at, next - at);
    at = next;
  }
}
