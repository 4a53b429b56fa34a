// Owns the possible effects of a power cut: the stores that the medium certainly has, and those that it may have.

import { forEachWord, LINE, type TraceEvent } from '../device/trace.js';

/** The part of a store that lies in one word: the medium has it whole, or not at all. */
export interface Piece {
  readonly pos: number;
  readonly bytes: Uint8Array;
  /** The index, in the trace, of the store that it is part of. */
  readonly event: number;
  /** Its place in `StoresInFlight.pieces`. */
  index: number;
  readonly line: Line;
  /** Its place among the pieces of its line, and how many of those the medium must have before this one. */
  place: number;
  needs: number;
}

/** The pieces in flight of one cache line, in the order of the stores. */
export interface Line {
  readonly pieces: Piece[];
  /** How many of them a flush has covered: the next fence makes them durable. */
  flushed: number;
  /** The run of unordered stores that its last piece belongs to. */
  run: number | undefined;
}

/** Follows a trace, event by event. */
export class StoresInFlight {
  /** The durable content. */
  readonly durable: Uint8Array;
  readonly #volatile: Uint8Array;
  readonly #lines = new Map<number, Line>();
  // The number of the present run: stores that were found together and whose order is unknown.
  #run = 0;
  #pieces: Piece[] | undefined;

  constructor(content: Uint8Array) {
    this.durable = new Uint8Array(content);
    this.#volatile = new Uint8Array(content);
  }

  /** The pieces in flight, in the order of the stores. The medium may have any of them, as far as no line has a gap. */
  get pieces(): readonly Piece[] {
    this.#pieces ??= [...this.#lines.values()]
      .flatMap((line) => line.pieces)
      .sort((a, b) => a.event - b.event || a.pos - b.pos);
    for (const [index, piece] of this.#pieces.entries()) piece.index = index;
    return this.#pieces;
  }

  /** Follows the next event, which has this index in the trace. Returns the pieces that it made durable. */
  follow(event: TraceEvent, index: number): readonly Piece[] {
    if (event.kind !== 'store' || event.isOrdered) this.#run++;
    if (event.kind === 'store') {
      forEachWord(event.pos, event.bytes.byteLength, (pos, length) => {
        this.#store(pos, event.bytes.subarray(pos - event.pos, pos - event.pos + length), index, event.isOrdered);
      });
    } else if (event.kind === 'flush') {
      for (const line of this.#linesOf(event.pos, event.length)) line.flushed = line.pieces.length;
    } else if (event.kind === 'fence') return this.#fence();
    return [];
  }

  #store(pos: number, bytes: Uint8Array, event: number, isOrdered: boolean): void {
    // A store of what is there already makes no difference, whether the medium gets it or not.
    if (bytes.every((byte, index) => this.#volatile[pos + index] === byte)) return;
    this.#volatile.set(bytes, pos);
    const number = Math.floor(pos / LINE);
    let line = this.#lines.get(number);
    if (line === undefined) this.#lines.set(number, (line = { pieces: [], flushed: 0, run: undefined }));
    const last = line.pieces.at(-1);
    const place = line.pieces.length;
    const isOfRun = last !== undefined && line.run === this.#run;
    line.pieces.push({ pos, bytes, event, index: 0, line, place, needs: isOfRun ? last.needs : place });
    line.run = isOrdered ? undefined : this.#run;
    this.#pieces = undefined;
  }

  *#linesOf(pos: number, length: number): Iterable<Line> {
    for (let number = Math.floor(pos / LINE); number * LINE < pos + length; number++) {
      const line = this.#lines.get(number);
      if (line !== undefined) yield line;
    }
  }

  #fence(): Piece[] {
    const fenced: Piece[] = [];
    for (const [number, line] of this.#lines) {
      if (line.flushed === 0) continue;
      this.#pieces = undefined;
      for (const piece of line.pieces.splice(0, line.flushed)) {
        this.durable.set(piece.bytes, piece.pos);
        fenced.push(piece);
      }
      for (const piece of line.pieces) {
        piece.place -= line.flushed;
        piece.needs = Math.max(0, piece.needs - line.flushed);
      }
      line.flushed = 0;
      if (line.pieces.length === 0) this.#lines.delete(number);
    }
    return fenced;
  }
}
