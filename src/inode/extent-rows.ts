// Owns the memory of an extent cache: rows of numbers in the order of the file, so packed that finding one among many
// waits for memory once or twice, and kept in leaves, so that putting one in moves few.

// The columns of a row. Its length and its kind share the third: a third of the memory less is half the time of a search
// that waits for it.
const START = 0;
const BLOCKNR = 1;
const RUN = 2;
const COLUMNS = 3;

/** Kinds are smaller numbers than this. A file of 2^53 bytes in blocks of 512 leaves room for them beside its length. */
export const MAX_KINDS = 256;

const MAX_ROWS = 64;
const HALF = MAX_ROWS / 2;
const LEAF_SIZE = MAX_ROWS * COLUMNS;
// Most files have few extents or are never looked into: memory of their own would be most of what a new inode costs.
const NONE = new Float64Array(0);

/**
 * Rows that do not overlap: the blocks of a file from `start` to before `end`, where they lie, and of what kind they are.
 * What is read and changed is the row that the cursor is on.
 */
export class ExtentRows {
  #numbers = NONE;
  // The leaves in the order of the file, none of them empty: the first block of each, which is what is searched; where
  // its rows begin among the numbers; and how many they are.
  #starts = NONE;
  readonly #bases: number[] = [];
  readonly #counts: number[] = [];
  // The bases of leaves that were emptied.
  readonly #spare: number[] = [];
  // The cursor: a row of a leaf, or the leaf after the last; and where its numbers are.
  #leaf = 0;
  #row = 0;
  #at = 0;
  // `find` left the cursor there, and nothing was moved since. I/O tends to go on where it was.
  #isFound = false;

  /** Bytes of memory. */
  get bytes(): number {
    return this.#numbers.byteLength + this.#starts.byteLength;
  }

  get start(): number {
    return this.#numbers[this.#at + START] as number;
  }

  get end(): number {
    return endOf(this.#numbers, this.#at);
  }

  get blocknr(): number {
    return this.#numbers[this.#at + BLOCKNR] as number;
  }

  get kind(): number {
    const run = this.#numbers[this.#at + RUN] as number;
    // What % does takes longer than the search.
    return run - Math.floor(run / MAX_KINDS) * MAX_KINDS;
  }

  /** The cursor is behind the last row. */
  get isAtEnd(): boolean {
    return this.#leaf === this.#bases.length;
  }

  /** Moves to the row that holds `block`. False if there is none. */
  find(block: number): boolean {
    if (this.#isFound && block >= this.start && block < this.end) return true;
    this.seek(block);
    return (this.#isFound = !this.isAtEnd && this.start <= block);
  }

  /** Moves to the first row that ends after `block`. */
  seek(block: number): void {
    const leaves = this.#bases.length;
    const leaf = Math.max(0, countUpTo(this.#starts, leaves, block) - 1);
    if (leaf === leaves) {
      this.#moveTo(0, 0);
      return;
    }
    const numbers = this.#numbers;
    const base = this.#bases[leaf] as number;
    const count = this.#counts[leaf] as number;
    // Not by halves, which would wait for memory at every step: to where the block should be, and on from there.
    const first = this.#starts[leaf] as number;
    const limit = (leaf + 1 < leaves ? this.#starts[leaf + 1] : numbers[base + (count - 1) * COLUMNS]) as number;
    let row = count - 1;
    if (block < limit) row = block > first ? Math.floor(((block - first) / (limit - first)) * count) : 0;
    while (row > 0 && (numbers[base + row * COLUMNS] as number) > block) row--;
    while (row < count && endOf(numbers, base + row * COLUMNS) <= block) row++;
    if (row < count) this.#moveTo(leaf, row);
    else this.#moveTo(leaf + 1, 0);
  }

  /** Moves to the row after. */
  next(): void {
    if (this.#row + 1 < (this.#counts[this.#leaf] as number)) this.#moveTo(this.#leaf, this.#row + 1);
    else this.#moveTo(this.#leaf + 1, 0);
  }

  /** Moves to the row before. False, and stays, on the first. */
  previous(): boolean {
    if (this.#row > 0) this.#moveTo(this.#leaf, this.#row - 1);
    else if (this.#leaf > 0) this.#moveTo(this.#leaf - 1, (this.#counts[this.#leaf - 1] as number) - 1);
    else return false;
    return true;
  }

  /** Puts a row in before the cursor's, and moves to it. */
  insert(start: number, end: number, blocknr: number, kind: number): void {
    this.#makeRoom();
    const leaf = this.#leaf;
    const count = this.#counts[leaf] as number;
    this.#numbers.copyWithin(this.#at + COLUMNS, this.#at, (this.#bases[leaf] as number) + count * COLUMNS);
    this.#counts[leaf] = count + 1;
    this.replace(start, end, blocknr, kind);
  }

  /** Gives the cursor's row other numbers. It must lie where it did between its neighbours. */
  replace(start: number, end: number, blocknr: number, kind: number): void {
    const at = this.#at;
    this.#numbers[at + START] = start;
    this.#numbers[at + BLOCKNR] = blocknr;
    this.#numbers[at + RUN] = (end - start) * MAX_KINDS + kind;
    if (this.#row === 0) this.#starts[this.#leaf] = start;
  }

  /** Takes the cursor's row out, and moves to the one after it. */
  remove(): void {
    const leaf = this.#leaf;
    const base = this.#bases[leaf] as number;
    const count = (this.#counts[leaf] as number) - 1;
    this.#numbers.copyWithin(this.#at, this.#at + COLUMNS, base + (count + 1) * COLUMNS);
    this.#counts[leaf] = count;
    if (count === 0) {
      this.#spare.push(base);
      this.#starts.copyWithin(leaf, leaf + 1, this.#bases.length);
      this.#bases.splice(leaf, 1);
      this.#counts.splice(leaf, 1);
      this.#moveTo(leaf, 0);
    } else if (this.#row === count) {
      this.#moveTo(leaf + 1, 0);
    } else {
      this.#moveTo(leaf, this.#row);
      if (this.#row === 0) this.#starts[leaf] = this.start;
    }
  }

  #moveTo(leaf: number, row: number): void {
    this.#leaf = leaf;
    this.#row = row;
    this.#at = (this.#bases[leaf] ?? 0) + row * COLUMNS;
    this.#isFound = false;
  }

  // A row can then be put in at the cursor, which is in the leaf that has room for it.
  #makeRoom(): void {
    // Behind the last row of the leaf before is as good as before the first of this one, and moves nothing.
    const before = this.#row === 0 && this.#leaf > 0 ? (this.#counts[this.#leaf - 1] as number) : MAX_ROWS;
    if (before < MAX_ROWS) this.#moveTo(this.#leaf - 1, before);
    else if (this.isAtEnd) this.#addLeaf(this.#leaf, 0);
    else if (this.#counts[this.#leaf] === MAX_ROWS) this.#split();
    this.#moveTo(this.#leaf, this.#row);
    const count = this.#counts[this.#leaf] as number;
    this.#numbers = atLeast(this.#numbers, (this.#bases[this.#leaf] as number) + (count + 1) * COLUMNS);
  }

  #split(): void {
    const from = (this.#bases[this.#leaf] as number) + HALF * COLUMNS;
    const to = this.#addLeaf(this.#leaf + 1, MAX_ROWS - HALF);
    this.#numbers = atLeast(this.#numbers, to + LEAF_SIZE);
    this.#numbers.copyWithin(to, from, from + (MAX_ROWS - HALF) * COLUMNS);
    this.#counts[this.#leaf] = HALF;
    this.#starts[this.#leaf + 1] = this.#numbers[to] as number;
    if (this.#row > HALF) this.#moveTo(this.#leaf + 1, this.#row - HALF);
  }

  // Returns its base. Where it begins is yet to be said.
  #addLeaf(leaf: number, count: number): number {
    const leaves = this.#bases.length;
    const base = this.#spare.pop() ?? leaves * LEAF_SIZE;
    this.#starts = atLeast(this.#starts, leaves + 1);
    this.#starts.copyWithin(leaf + 1, leaf, leaves);
    this.#bases.splice(leaf, 0, base);
    this.#counts.splice(leaf, 0, count);
    return base;
  }
}

function endOf(numbers: Float64Array, row: number): number {
  return (numbers[row + START] as number) + Math.floor((numbers[row + RUN] as number) / MAX_KINDS);
}

// The same numbers, with room for `length`.
function atLeast(numbers: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  if (numbers.length >= length) return numbers;
  const larger = new Float64Array(Math.max(length, 2 * numbers.length));
  larger.set(numbers);
  return larger;
}

/**
 * How many of the first `count` of `numbers`, which rise, are at most `value`. The search begins where that would be if
 * they rose evenly, as most files grow, and widens from there.
 */
function countUpTo(numbers: Float64Array, count: number, value: number): number {
  if (count === 0) return 0;
  const first = numbers[0] as number;
  const last = numbers[count - 1] as number;
  if (value < first) return 0;
  if (value >= last) return count;
  let low = Math.floor(((value - first) / (last - first)) * (count - 1));
  let high = low;
  if ((numbers[low] as number) <= value) {
    for (let step = 1; high < count && (numbers[high] as number) <= value; step *= 2) {
      low = high + 1;
      high = low + step;
    }
    if (high > count) high = count;
  } else {
    for (let step = 1; low > 0 && (numbers[low - 1] as number) > value; step *= 2) {
      high = low - 1;
      low = Math.max(0, high - step);
    }
  }
  while (low < high) {
    // eslint-disable-next-line no-bitwise -- an index, halved in a third of the time
    const middle = (low + high) >>> 1;
    if ((numbers[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
