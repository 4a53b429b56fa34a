// What each thread of the stress does: loads and stores at random, every result held against what may be seen.

import { DaxMapping, type MappingHandle } from '../../src/mmap/dax-mapping.js';
import { afterLook, isExpected, LANES, Lanes, type Stored } from './lanes.js';
import { randomFrom } from './random.js';

export interface StormOptions {
  /** The file, for loads and stores, and another mapping of it, for loads. */
  handles: readonly [MappingHandle, MappingHandle];
  lane: number;
  seed: number;
  page: number;
  pages: number;
  shared: SharedArrayBuffer;
}

export interface StormResult {
  /** What its words of the file hold, page by page. */
  stored: (Stored | undefined)[];
  loads: number;
  stores: number;
  remaps: number;
  /** What was seen that must not be. */
  failure: string | undefined;
}

class Storm {
  readonly result: StormResult;
  readonly #options: StormOptions;
  readonly #lanes: Lanes;
  readonly #onLoss: (error: unknown) => void;
  #mapping: DaxMapping;
  #words: Uint32Array;
  #reader: Uint32Array;

  constructor(options: StormOptions, onLoss: (error: unknown) => void) {
    this.#options = options;
    this.#onLoss = onLoss;
    this.#lanes = new Lanes(options.page, options.pages, options.shared);
    this.result = { stored: Array.from({ length: options.pages }, () => undefined), loads: 0, stores: 0, remaps: 0, failure: undefined };
    this.#mapping = this.#attach(options.handles[0]);
    this.#words = new Uint32Array(this.#mapping.buffer);
    this.#reader = new Uint32Array(this.#attach(options.handles[1]).buffer);
  }

  run(): StormResult {
    const { seed, pages } = this.#options;
    const random = randomFrom(seed);
    while (!this.#lanes.isStopped && this.result.failure === undefined) {
      const page = random.below(pages);
      const choice = random.below(1000);
      if (choice < 400) this.#look(page, this.#words, 'after');
      else if (choice < 700) this.#store(page);
      else if (choice < 900) this.#lookAtOther(page, random.below(LANES));
      else if (choice < 996) this.#lookThroughOther(page);
      else if (choice < 997) this.#persist(page);
      else this.#remap();
    }
    return this.result;
  }

  #attach(handle: MappingHandle): DaxMapping {
    return DaxMapping.attach(handle).on('error', this.#onLoss);
  }

  #index(page: number, lane = this.#options.lane): number {
    return this.#lanes.positionOf(page, lane) / 4;
  }

  #store(page: number): void {
    const { lane } = this.#options;
    const value = this.#lanes.next(lane);
    const before = this.#lanes.countOf(page, lane);
    this.#words[this.#index(page)] = value;
    const isInFile = this.#lanes.positionOf(page, lane) < this.#lanes.size;
    const after = this.#lanes.countOf(page, lane);
    this.result.stored[page] = { value, before, after, isInFile: isInFile && before === after && before % 2 === 0 };
    this.result.stores++;
    this.#look(page, this.#words, 'right after the store of');
  }

  #look(page: number, words: Uint32Array, when: string): void {
    const { lane } = this.#options;
    const before = this.#lanes.countOf(page, lane);
    const value = words[this.#index(page)] ?? -1;
    const after = this.#lanes.countOf(page, lane);
    const stored = this.result.stored[page];
    this.result.loads++;
    if (isExpected(stored, value, before, after)) this.result.stored[page] = afterLook(stored, value, before, after);
    else this.#fail(page, lane, `${hex(value)} (counted ${before}, ${after}) ${when} ${told(stored)}`);
  }

  // What is in the file is seen through every mapping of it.
  #lookThroughOther(page: number): void {
    if (this.result.stored[page]?.isInFile === true) this.#look(page, this.#reader, 'through another mapping, after');
  }

  #lookAtOther(page: number, lane: number): void {
    const value = this.#words[this.#index(page, lane)] ?? -1;
    this.result.loads++;
    if (!this.#lanes.isPlausible(lane, value)) this.#fail(page, lane, `${hex(value)}, which nobody stored there`);
  }

  // What is past the end of the file cannot be made durable, and may be there at any time.
  #persist(page: number): void {
    try {
      this.#mapping.persist(page * this.#options.page, this.#options.page);
    } catch (error) {
      if ((error as { code?: string }).code !== 'EIO') throw error;
    }
  }

  #remap(): void {
    const next = this.#attach(this.#options.handles[0]);
    this.#mapping.unmap();
    this.#mapping = next;
    this.#words = new Uint32Array(next.buffer);
    this.result.remaps++;
  }

  #fail(page: number, lane: number, what: string): void {
    this.result.failure = `page ${page}, lane ${lane}: ${what}`;
  }
}

function hex(value: number): string {
  return value.toString(16);
}

function told(stored: Stored | undefined): string {
  return stored === undefined ? 'nothing' : `${hex(stored.value)} (counted ${stored.before}, ${stored.after})`;
}

/** Runs until the others are told to stop, or something is seen that must not be. */
export function storm(options: StormOptions, onLoss: (error: unknown) => void): StormResult {
  return new Storm(options, onLoss).run();
}
