// Owns the images that a power cut may leave on a device, at every point of a trace where they can differ.

import { checkOptions } from 'node-dax';
import { choices, type Choice } from './choices.js';
import { ContentHash } from './content-hash.js';
import { seeded } from '../random.js';
import { StoresInFlight, type Piece } from './stores-in-flight.js';
import { LINE, WORD, type Trace, type TraceEvent } from '../device/trace.js';

export interface CrashImageOptions {
  /** The seed of the random choices. Default 1. */
  seed?: number;
  /** The most choices of one kind at one point: of single pieces, of pairs, of the first n pieces. Default 4096. */
  limit?: number;
  /** The index of the first event before which the power may be cut. Default 0. */
  from?: number;
}

/** The content of the medium after a power cut. It is valid until the next image is asked for. */
export interface CrashImage {
  /** The power was cut before the event of the trace with this index. */
  readonly at: number;
  /** Equal for equal content of devices of one size. */
  readonly hash: number;
  /** The content of the whole device. Do not change or keep it: make a copy. */
  readonly content: Uint8Array;
  /** Says in words which stores the medium has and which it lacks. */
  describe(): string;
}

// Whether a power cut before `event` can leave a state that no later cut leaves, or is held to other promises. This is so before a
// fence, which removes possible states; at the end of an operation, after which more is promised; and at the end of the trace.
function isPoint(event: TraceEvent | undefined): boolean {
  return event === undefined || event.kind === 'fence' || (event.kind === 'mark' && event.edge === 'end');
}

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`;

// The pieces in words, with neighbouring pieces of one store as one range.
function ranges(pieces: readonly Piece[]): string {
  const found: { event: number; pos: number; end: number }[] = [];
  for (const { event, pos, bytes } of pieces) {
    const last = found.at(-1);
    if (last?.event === event && last.end === pos) last.end += bytes.byteLength;
    else found.push({ event, pos, end: pos + bytes.byteLength });
  }
  const texts = found.map(({ event, pos, end }) => `${count(end - pos, 'byte')} at ${pos} (event ${event})`);
  return texts.length > 12 ? [...texts.slice(0, 12), `${texts.length - 12} more`].join(', ') : texts.join(', ');
}

function describe(pieces: readonly Piece[], choice: Choice, at: number, trace: Trace): string {
  const next = trace.events[at];
  const where = next === undefined ? 'at the end of the trace' : `before event ${at} (${next.kind})`;
  const applied = pieces.filter(({ index }) => choice[index] === 1);
  const missing = pieces.filter(({ index }) => choice[index] === 0);
  const flight = `of ${count(pieces.length, 'piece')} in flight`;
  if (pieces.length === 0) return `${where}, with nothing in flight`;
  if (missing.length === 0) return `${where}, ${flight} all were kept`;
  if (applied.length === 0) return `${where}, ${flight} none was kept: ${ranges(missing)}`;
  if (missing.length <= applied.length) return `${where}, ${flight} these were lost: ${ranges(missing)}`;
  return `${where}, ${flight} only these were kept: ${ranges(applied)}`;
}

// The durable content, with some of the stores in flight applied.
class Medium {
  readonly content: Uint8Array;
  readonly hash: ContentHash;
  readonly #durable: Uint8Array;

  /** `durable`, which may change later, equals `original` now. */
  constructor(durable: Uint8Array, original: Uint8Array) {
    this.#durable = durable;
    this.content = durable.slice();
    this.hash = new ContentHash(this.content, original);
  }

  put({ pos, bytes }: Piece): void {
    const word = Math.floor(pos / WORD);
    this.hash.remove(word);
    for (let i = 0; i < bytes.byteLength; i++) this.content[pos + i] = bytes[i] as number;
    this.hash.add(word);
  }

  putBack({ pos }: Piece): void {
    const start = pos - (pos % LINE);
    this.content.set(this.#durable.subarray(start, start + LINE), start);
  }
}

/**
 * The images at every point of `trace` where the power may be cut: before each fence and each end of an operation, and at the end.
 * An image with the same content may come again at another point, because other promises may hold there: recognise it by `hash`.
 */
export function* crashImages(trace: Trace, options: CrashImageOptions = {}): Generator<CrashImage> {
  checkOptions(options, { seed: true, limit: true, from: true });
  const random = seeded(options.seed ?? 1);
  const stores = new StoresInFlight(trace.content);
  const medium = new Medium(stores.durable, trace.content);
  for (let at = 0; at <= trace.events.length; at++) {
    const event = trace.events[at];
    if (at >= (options.from ?? 0) && isPoint(event)) {
      const { pieces } = stores;
      const saved = medium.hash.save();
      for (const choice of choices(pieces, random, options.limit ?? 4096)) {
        const applied = pieces.filter(({ index }) => choice[index] === 1);
        for (const piece of applied) medium.put(piece);
        yield {
          at,
          get hash() {
            return medium.hash.value;
          },
          content: medium.content,
          describe: () => describe(pieces, choice, at, trace),
        };
        for (const piece of applied) medium.putBack(piece);
        medium.hash.restore(saved);
      }
    }
    if (event === undefined) break;
    for (const piece of stores.follow(event, at)) medium.put(piece);
  }
}
