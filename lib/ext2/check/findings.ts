// Owns what a check finds: each finding with its class and place, the first of them kept, all of them counted.

import type { Place } from '../format/error.js';

/**
 * What a finding means. `unclean`: it was not unmounted, someone found errors, or a tool left what nobody minds. `count`: a
 * number that lags behind what it counts (free blocks and inodes, directories, i_blocks, i_size), or a type in an entry that
 * has none. `leak`: something is taken and not used, or counts
 * more users than it has; space is lost, nothing else. `error`: all the rest; do not write before e2fsck has.
 */
export type FindingClass = 'unclean' | 'count' | 'leak' | 'error';

export interface Finding extends Readonly<Place> {
  readonly class: FindingClass;
  /** A sentence without its subject, which is the place. */
  readonly what: string;
  /** How many blocks or inodes from the place on; one where it is left out. */
  readonly count?: number;
}

const CLASSES: readonly FindingClass[] = ['error', 'leak', 'count', 'unclean'];

export class Findings {
  readonly #limit: number;
  readonly #kept: Finding[] = [];
  readonly #totals: Record<FindingClass, number> = { unclean: 0, count: 0, leak: 0, error: 0 };

  /** At most `limit` findings of each class are kept. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Those that were kept, the worst first. */
  get kept(): Finding[] {
    return CLASSES.flatMap((wanted) => this.#kept.filter((finding) => finding.class === wanted));
  }

  /** How many there were of each class. */
  get totals(): Readonly<Record<FindingClass, number>> {
    return { ...this.#totals };
  }

  add(kind: FindingClass, what: string, place: Place = {}, count?: number): void {
    if (++this.#totals[kind] <= this.#limit) {
      this.#kept.push({ class: kind, what, ...place, ...(count !== undefined && count > 1 && { count }) });
    }
  }

  error(what: string, place: Place): void {
    this.add('error', what, place);
  }
}

/** A finding in words: `inode 12, block 345: is claimed twice`. */
export function describeFinding({ group, ino, block, count, what }: Finding): string {
  const numbers = (first: number) => (count === undefined ? `${first}` : `${first} to ${first + count - 1}`);
  const where = [
    ...(group === undefined ? [] : [`group ${group}`]),
    ...(ino === undefined ? [] : [`inode ${block === undefined ? numbers(ino) : ino}`]),
    ...(block === undefined ? [] : [`block ${numbers(block)}`]),
  ];
  return `${where.length === 0 ? 'superblock' : where.join(', ')}: ${what}`;
}
