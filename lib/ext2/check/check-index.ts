// Owns the check of an indexed directory: that its tree of hashes is valid, and that every name is in the block to which its hash
// leads.

import type { Census, CheckedDirectory } from './census.js';
import { COMPAT, DIRENT, direntLength, DX_COUNTS, DX_ENTRY, DX_INFO, DX_ROOT_INFO_AT, hasFlag, S_FLAGS } from '../format/disk.js';
import { decode, type Decoded } from '../format/layout.js';
import type { ByteName } from '../format/name.js';
import { isHashVersion, nameHash, type HashVersion } from '../format/name-hash.js';

const DX_ENTRY_SIZE = 8;
const INFO_SIZE = 8;
const MOST_LEVELS = 2;
const INCOMPATIBLE = 1;
// A block number in an entry has 28 bits; the bits above are used otherwise.
const BLOCK_RANGE = 2 ** 28;
// A node begins with the header of an unused directory entry; its own entries follow.
const NODE_ENTRIES_AT = 8;

/** The hashes that names in a block may have: at least `low`, and less than `high`. */
interface Range {
  readonly low: number;
  readonly high: number;
}

interface Hashing {
  readonly version: HashVersion;
  readonly seed: readonly number[];
  readonly isSigned: boolean;
}

/** The valid index of a directory. An invalid index becomes a finding. */
export class CheckedIndex {
  readonly #census: Census;
  readonly #directory: CheckedDirectory;
  readonly #places: ReadonlyMap<number, number>;
  readonly #hashing: Hashing;
  // Every block that the tree refers to: the range of a leaf, or undefined for a node.
  readonly #reached = new Map<number, Range | undefined>([[0, undefined]]);

  private constructor(census: Census, directory: CheckedDirectory, hashing: Hashing) {
    this.#census = census;
    this.#directory = directory;
    this.#hashing = hashing;
    this.#places = new Map(directory.blocks.map(({ iblock, block }) => [iblock, block]));
  }

  /** Walks the tree. Undefined if there is no index, or if its leaves cannot be determined. */
  static of(census: Census, directory: CheckedDirectory): CheckedIndex | undefined {
    const { sb, findings } = census;
    const { ino } = directory;
    if (!directory.isIndexed) return undefined;
    if (!hasFlag(sb.s_feature_compat, COMPAT.DIR_INDEX)) {
      findings.error('has an index, and the feature dir_index is not there', { ino });
      return undefined;
    }
    const [first] = directory.blocks;
    const root = first?.iblock === 0 ? census.loadBlock(first.block) : undefined;
    // A missing first block is reported by the check of the directory's blocks.
    if (root === undefined) return undefined;
    const info = decode(DX_INFO, root, DX_ROOT_INFO_AT);
    const fault = faultOf(info, root);
    const { hash_version: version } = info;
    if (fault !== undefined || !isHashVersion(version)) {
      findings.error(`has an index ${fault ?? `with hashes of version ${version}`}`, { ino });
      return undefined;
    }
    const isSigned = !hasFlag(sb.s_flags, S_FLAGS.UNSIGNED_HASH);
    const index = new CheckedIndex(census, directory, { version, seed: sb.s_hash_seed, isSigned });
    const entriesAt = DX_ROOT_INFO_AT + info.info_length;
    const all = { low: 0, high: Number.POSITIVE_INFINITY };
    return index.#walk(0, root, entriesAt, info.indirect_levels, all) && index.#reachesAll() ? index : undefined;
  }

  /** Checks that the hashes of all names in a block lead to that block. */
  checkNames(iblock: number, names: Iterable<ByteName>): void {
    const range = this.#reached.get(iblock);
    if (range === undefined) return;
    const { version } = this.#hashing;
    for (const name of names) {
      const hash = nameHash(version, name, this.#hashing);
      if (hash >= range.low && hash < range.high) continue;
      const shown = JSON.stringify(Buffer.from(name, 'latin1').toString());
      this.#wrong(iblock, `has ${shown} where its index does not lead`);
      return;
    }
  }

  // Walks the entries of a node or the root, which has `levels` levels of nodes below it. Returns false if they are invalid.
  #walk(iblock: number, bytes: Uint8Array, at: number, levels: number, { low, high }: Range): boolean {
    const { limit, count } = decode(DX_COUNTS, bytes, at);
    const room = Math.floor((bytes.length - at) / DX_ENTRY_SIZE);
    if (limit !== room || count === 0 || count > limit) {
      return this.#wrong(iblock, `has an index with ${count} of ${limit} entries in a block with room for ${room}`);
    }
    const entries = Array.from({ length: count }, (_, index) => decode(DX_ENTRY, bytes, at + index * DX_ENTRY_SIZE));
    for (const [index, { hash, block }] of entries.entries()) {
      // The first entry has counts in place of its hash.
      const from = index === 0 ? low : hash;
      const to = entries[index + 1]?.hash ?? high;
      if (from > to) return this.#wrong(iblock, 'has an index out of order');
      if (!this.#reach(iblock, block % BLOCK_RANGE, levels, { low: from, high: to })) return false;
    }
    return true;
  }

  #reach(parent: number, iblock: number, levels: number, range: Range): boolean {
    const { length } = this.#directory;
    const place = this.#places.get(iblock);
    if (iblock >= length || place === undefined) return this.#wrong(parent, `has an index that leads to its block ${iblock}, which is not there`);
    if (this.#reached.has(iblock)) return this.#wrong(parent, `has an index that leads to its block ${iblock} twice`);
    if (levels === 0) {
      // An odd hash means that names with the next lower hash, an even one, begin in the preceding block.
      this.#reached.set(iblock, { low: range.low - (range.low % 2), high: range.high });
      return true;
    }
    this.#reached.set(iblock, undefined);
    const bytes = this.#census.loadBlock(place);
    if (bytes === undefined) return false;
    const { inode, rec_len } = decode(DIRENT, bytes);
    if (inode !== 0 || rec_len !== bytes.length) return this.#wrong(iblock, 'has no node of its index where one must be');
    return this.#walk(iblock, bytes, NODE_ENTRIES_AT, levels - 1, range);
  }

  #reachesAll(): boolean {
    const missed = this.#directory.blocks.find(({ iblock }) => iblock < this.#directory.length && !this.#reached.has(iblock));
    return missed === undefined || this.#wrong(missed.iblock, 'has a block where its index does not lead');
  }

  #wrong(iblock: number, what: string): false {
    this.#census.findings.error(what, { ino: this.#directory.ino, block: this.#places.get(iblock) as number });
    return false;
  }
}

// What is wrong with the root, whose information is where the entries after '.' and '..' would be.
function faultOf({ reserved_zero, info_length, indirect_levels, unused_flags }: Decoded<typeof DX_INFO>, root: Uint8Array): string | undefined {
  const { rec_len } = decode(DIRENT, root, direntLength(1));
  if (reserved_zero !== 0 || info_length < INFO_SIZE || rec_len !== root.length - direntLength(1)) return 'without a root';
  if (DX_ROOT_INFO_AT + info_length + DX_ENTRY_SIZE > root.length) return 'without a root';
  if (hasFlag(unused_flags, INCOMPATIBLE)) return 'with flags that nobody knows';
  return indirect_levels >= MOST_LEVELS ? `with ${indirect_levels} levels of nodes` : undefined;
}
