// Owns the memory of an extent cache: rows of numbers in the order of the file, packed so that a search among many waits for memory
// once or twice, and kept in leaves so that an insertion moves few rows.

// The columns of a row. The length and the kind share the third column: a search spends its time waiting for memory, and takes half
// as long if the rows take a third less memory.
const START = 0;
const BLOCKNR = 1;
const RUN = 2;
const COLUMNS = 3;

/** The numbers of kinds are below this. They fit beside the length of a row even in a file of 2^53 bytes in blocks of 512. */
export const MAX_KINDS = 256;

const MAX_ROWS = 64;
const HALF = MAX_ROWS / 2;
const LEAF_SIZE = MAX_ROWS * COLUMNS;
// All caches begin with this empty array: most files have few extents or are never accessed, and an array of its own would be most
// of the cost of a new inode.
const NONE = new Float64Array(0);

/**
 * Rows that do not overlap. Each has the blocks of a file from `start` to before `end`, where they lie, and their kind. A cursor is
 * on the row to read or change.
 */
export class ExtentRows {
  #numbers = NONE;
  // The leaves in the order of the file, none of them empty: the first block of each leaf, which a search compares; the index
  // of its first row in `#numbers`; and the count of its rows.
  #starts = NONE;
  readonly #bases: number[] = [];
  readonly #counts: number[] = [];
  // The bases of leaves that were emptied.
  readonly #spare: number[] = [];
  // The cursor: a row of a leaf, or the leaf after the last; and the index of that row in `#numbers`.
  #leaf = 0;
  #row = 0;
  #at = 0;
  // `find` has left the cursor on its row, and nothing was moved since. The next I/O tends to be in the same row.
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
    // The operator % would take longer than the search.
    return run - Math.floor(run / MAX_KINDS) * MAX_KINDS;
  }

  /** Whether the cursor is behind the last row. */
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
    // Not a binary search, which would wait for memory at every step: it starts where the block should be, and goes on from there.
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

  /** Moves to the row before. On the first row, stays there and returns false. */
  previous(): boolean {
    if (this.#row > 0) this.#moveTo(this.#leaf, this.#row - 1);
    else if (this.#leaf > 0) this.#moveTo(this.#leaf - 1, (this.#counts[this.#leaf - 1] as number) - 1);
    else return false;
    return true;
  }

  /** Inserts a row before the cursor's, and moves to it. */
  insert(start: number, end: number, blocknr: number, kind: number): void {
    this.#makeRoom();
    const leaf = this.#leaf;
    const count = this.#counts[leaf] as number;
    this.#numbers.copyWithin(this.#at + COLUMNS, this.#at, (this.#bases[leaf] as number) + count * COLUMNS);
    this.#counts[leaf] = count + 1;
    this.replace(start, end, blocknr, kind);
  }

  /** Replaces the cursor's row. The new row must still lie between the same neighbours. */
  replace(start: number, end: number, blocknr: number, kind: number): void {
    const at = this.#at;
    this.#numbers[at + START] = start;
    this.#numbers[at + BLOCKNR] = blocknr;
    this.#numbers[at + RUN] = (end - start) * MAX_KINDS + kind;
    if (this.#row === 0) this.#starts[this.#leaf] = start;
  }

  /** Removes the cursor's row, and moves to the one after it. */
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

  // Makes room to insert a row at the cursor, and moves the cursor to the leaf that has the room.
  #makeRoom(): void {
    // The end of the previous leaf is the same place as the start of this one, and an insertion there moves no row.
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

  // Adds a leaf of `count` rows, and returns its base. The caller sets its first block.
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
 * How many of the first `count` of `numbers`, which ascend, are at most `value`. The search begins where the answer would be if
 * they ascended evenly, as in most files, and widens from there.
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
