// Owns the choice of which stores in flight survive a power cut: all possibilities if they are few, and else those that find the
// usual mistakes.

import type { Random } from '../random.js';
import type { Piece } from './stores-in-flight.js';

/** All combinations of up to this many pieces are tried. */
const ALL_UP_TO = 8;
/** The number of random combinations of more pieces. */
const RANDOM = 64;

/** One byte for each piece: 1 where the medium has it. */
export type Choice = Uint8Array;

function isPossible(choice: Choice, pieces: readonly Piece[]): boolean {
  return pieces.every(({ index, needs, line }) => {
    if (choice[index] === 0) return true;
    for (let place = 0; place < needs; place++) {
      if (choice[(line.pieces[place] as Piece).index] === 0) return false;
    }
    return true;
  });
}

function* everyPart(pieces: readonly Piece[]): Generator<Choice> {
  const choice = new Uint8Array(pieces.length);
  for (let number = 0; number < 2 ** pieces.length; number++) {
    for (let index = 0, rest = number; index < pieces.length; index++, rest = Math.floor(rest / 2)) {
      choice[index] = rest % 2;
    }
    if (isPossible(choice, pieces)) yield choice;
  }
}

// At most `limit` of the numbers from 0 to `count - 1`, evenly spread.
function* spread(count: number, limit: number): Generator<number> {
  const step = Math.max(1, count / limit);
  for (let at = 0; at < count; at += step) yield Math.floor(at);
}

// The first n stores, and all but the first n, for various n: they find orders that are missing or reversed.
function* ends(pieces: readonly Piece[], limit: number): Generator<Choice> {
  for (const count of spread(pieces.length, limit)) {
    const choice = new Uint8Array(pieces.length);
    choice.fill(1, 0, count + 1);
    yield choice;
    choice.fill(0, 0, count + 1).fill(1, count + 1);
    for (const { line, index, needs } of pieces.slice(count + 1)) {
      // The pieces that it needs come before it in the order of the stores, and so are decided already.
      for (let place = 0; place < needs; place++) {
        if (choice[(line.pieces[place] as Piece).index] === 0) choice[index] = 0;
      }
    }
    yield choice;
  }
}

// Choices in which one or two pieces are `value` and all others are not. `isFirst` says whether a piece can be changed alone, and
// `follows` gives the pieces that can be changed only together with a piece.
function* oneOrTwo(
  pieces: readonly Piece[],
  value: 0 | 1,
  isFirst: (piece: Piece) => boolean,
  follows: (piece: Piece) => readonly Piece[],
  random: Random,
  limit: number,
): Generator<Choice> {
  const choice = new Uint8Array(pieces.length).fill(1 - value);
  const pair = function* (a: Piece, b: Piece) {
    choice[a.index] = choice[b.index] = value;
    yield choice;
    choice[a.index] = choice[b.index] = 1 - value;
  };
  const first = pieces.filter(isFirst);
  for (const index of spread(first.length, limit)) {
    const piece = first[index] as Piece;
    choice[piece.index] = value;
    yield choice;
    choice[piece.index] = 1 - value;
    for (const next of follows(piece)) yield* pair(piece, next);
  }
  const pairs = (first.length * (first.length - 1)) / 2;
  if (pairs <= limit) {
    for (const [index, piece] of first.entries()) {
      for (const other of first.slice(index + 1)) yield* pair(piece, other);
    }
  } else {
    const any = () => first[random(first.length)] as Piece;
    for (let i = 0; i < limit; i++) yield* pair(any(), any());
  }
}

function* fewApplied(pieces: readonly Piece[], random: Random, limit: number): Generator<Choice> {
  const follows = ({ line, place }: Piece) => (place > 0 ? [] : line.pieces.filter(({ needs }) => needs === 1));
  yield* oneOrTwo(pieces, 1, ({ needs }) => needs === 0, follows, random, limit);
}

function* fewMissing(pieces: readonly Piece[], random: Random, limit: number): Generator<Choice> {
  // Within a line `needs` never decreases. So the last piece tells which pieces may be missing alone, and the piece before it tells
  // which may be missing together with the last.
  const isLast = ({ line, place }: Piece) => place >= (line.pieces.at(-1) as Piece).needs;
  const follows = ({ line, place }: Piece) => {
    const before = place === line.pieces.length - 1 ? line.pieces.at(-2) : undefined;
    return before === undefined ? [] : line.pieces.slice(before.needs, -1).filter((piece) => !isLast(piece));
  };
  yield* oneOrTwo(pieces, 0, isLast, follows, random, limit);
}

function* someAtRandom(pieces: readonly Piece[], random: Random, limit: number): Generator<Choice> {
  const lines = [...new Set(pieces.map(({ line }) => line))];
  for (let i = 0; i < Math.min(RANDOM, limit); i++) {
    const choice = new Uint8Array(pieces.length);
    for (const { pieces: own } of lines) {
      const count = random(3) === 0 ? own.length * random(2) : random(own.length + 1);
      for (const { index } of own.slice(0, count)) choice[index] = 1;
      // Of stores without an order, others than the first may survive too.
      for (const { index, needs } of own.slice(count)) {
        if (needs <= count && random(2) === 0) choice[index] = 1;
      }
    }
    yield choice;
  }
}

/**
 * The combinations of `pieces` that the medium may have: every possible one up to 8 pieces. Above that: none, all, at most two, all
 * but at most two, the first n, all but the first n, and 64 at random. At most `limit` of each of these kinds: if there are more,
 * some are chosen, evenly spread or at random.
 *
 * The yielded array is reused for the next choice. Some choices come twice.
 */
export function* choices(pieces: readonly Piece[], random: Random, limit: number): Generator<Choice> {
  if (pieces.length <= ALL_UP_TO) {
    yield* everyPart(pieces);
    return;
  }
  yield new Uint8Array(pieces.length);
  yield* fewApplied(pieces, random, limit);
  yield* fewMissing(pieces, random, limit);
  yield* ends(pieces, limit);
  yield* someAtRandom(pieces, random, limit);
}
