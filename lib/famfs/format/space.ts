// Owns the record of which units of the memory are taken: one bit each. Units are never given back.

export class Space {
  /** The size of a unit in bytes. */
  readonly unit: number;
  /** The number of units of the memory. */
  readonly units: number;
  /** The number of units that are not taken. */
  free: number;
  readonly #bits: Uint8Array;

  /** A memory of `size` bytes, of which those before `start` are taken. */
  constructor(size: number, unit: number, start: number) {
    this.unit = unit;
    this.units = Math.floor(size / unit);
    this.free = this.units;
    this.#bits = new Uint8Array(Math.ceil(this.units / 8));
    this.take(0, Math.min(this.units, Math.ceil(start / unit)));
  }

  /** Whether none of `count` units from `first` on is taken. All of them must exist. */
  isFree(first: number, count: number): boolean {
    return this.firstTaken(first, count) === undefined;
  }

  /** The first unit of `count` from `first` on that is taken. */
  firstTaken(first: number, count: number): number | undefined {
    for (let unit = first; unit < first + count; ) {
      if (unit % 8 === 0 && first + count - unit >= 8 && this.#bits[unit / 8] === 0) unit += 8;
      else if (this.#isTaken(unit)) return unit;
      else unit++;
    }
    return undefined;
  }

  /** Takes a unit unless it is taken, and returns whether it has: most files are of one, and a log has many of them. */
  takeIfFree(unit: number): boolean {
    const byte = Math.floor(unit / 8);
    const bit = 2 ** (unit % 8);
    const bits = this.#bits[byte] as number;
    if (Math.floor(bits / bit) % 2 === 1) return false;
    this.#bits[byte] = bits + bit;
    this.free--;
    return true;
  }

  /** Takes `count` units from `first` on, which must be free. */
  take(first: number, count: number): void {
    this.free -= count;
    for (let unit = first; unit < first + count; ) {
      const byte = Math.floor(unit / 8);
      if (unit % 8 === 0 && first + count - unit >= 8) {
        const bytes = Math.floor((first + count - unit) / 8);
        this.#bits.fill(0xff, byte, byte + bytes);
        unit += bytes * 8;
      } else {
        this.#bits[byte] = (this.#bits[byte] as number) + 2 ** (unit % 8);
        unit++;
      }
    }
  }

  /** The start of the first run of `count` free units from `from` to before `to`; undefined if there is none. */
  find(count: number, from: number, to: number): number | undefined {
    for (let start = from; start + count <= to; ) {
      const taken = this.firstTaken(start, count);
      if (taken === undefined) return start;
      start = this.#firstFree(taken + 1);
    }
    return undefined;
  }

  // The first unit from `from` on that is not taken, or the end.
  #firstFree(from: number): number {
    let unit = from;
    while (unit < this.units && this.#isTaken(unit)) unit += unit % 8 === 0 && this.#bits[unit / 8] === 0xff ? 8 : 1;
    return unit;
  }

  #isTaken(unit: number): boolean {
    return Math.floor((this.#bits[Math.floor(unit / 8)] as number) / 2 ** (unit % 8)) % 2 === 1;
  }
}
