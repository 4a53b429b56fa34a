// Owns the findings of a check: each has a class and a place; all are counted, and the first of each class are kept.

import type { ErrorLocation } from '../format/error.js';

/**
 * What a finding means. `unclean`: the filesystem was not unmounted, was marked as having errors, or contains harmless remains of a
 * tool. `count`: a number that lags behind what it counts (free blocks and inodes, directories, i_blocks, i_size), or types in
 * entries although the filesystem stores none. `leak`: something is marked as taken but not used, or counts more users than it has;
 * only space is lost. `error`: everything else; run e2fsck before writing.
 */
export type FindingClass = 'unclean' | 'count' | 'leak' | 'error';

export interface Finding extends Readonly<ErrorLocation> {
  readonly class: FindingClass;
  /** A sentence without its subject; the subject is the place. */
  readonly what: string;
  /** How many consecutive blocks or inodes, beginning at the place; 1 if omitted. */
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

  /** The kept findings, the worst class first. */
  get kept(): Finding[] {
    return CLASSES.flatMap((wanted) => this.#kept.filter((finding) => finding.class === wanted));
  }

  /** The number of findings of each class, kept or not. */
  get totals(): Readonly<Record<FindingClass, number>> {
    return { ...this.#totals };
  }

  add(kind: FindingClass, what: string, place: ErrorLocation = {}, count?: number): void {
    if (++this.#totals[kind] <= this.#limit) {
      this.#kept.push({ class: kind, what, ...place, ...(count !== undefined && count > 1 && { count }) });
    }
  }

  error(what: string, place: ErrorLocation): void {
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
