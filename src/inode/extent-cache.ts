// Owns what getBlock answered before: the extents of one inode, found in logarithmic time.

import type { BlockDevice } from '../device/block-device.js';
import type { BlockPlace } from './buffer-head.js';
import { ExtentRows, MAX_KINDS } from './extent-rows.js';

/**
 * What the blocks hold: nothing, data, data that another file has too, garbage that must be initialised, or nothing in a place
 * that is reserved.
 */
export type ExtentState = 'hole' | 'written' | 'shared' | 'new' | 'unwritten';

/** A run of blocks of a file that lie one after the other on a device, or a hole of it. */
export interface Extent {
  /** The first block of the file. */
  iblock: number;
  /** Blocks. */
  count: number;
  state: ExtentState;
  /** The block on `bdev` where it begins; meaningless for a hole. */
  blocknr: number;
  /** Undefined for a hole. */
  bdev: BlockDevice | undefined;
  /** Of new or unwritten blocks: where the data is until now, if there is any. */
  source?: BlockPlace | undefined;
  /** The device gave direct access to all of it: later I/O there need not ask again. */
  isAccessible: boolean;
}

/** One for `findInto`. */
export function emptyExtent(): Extent {
  return { iblock: 0, count: 0, state: 'hole', blocknr: 0, bdev: undefined, source: undefined, isAccessible: false };
}

/** There is data to read. */
export function hasData({ state }: Extent): boolean {
  return state === 'written' || state === 'shared';
}

/** Whatever is not written over must be filled first. */
export function isUninitialised({ state }: Extent): boolean {
  return state === 'new' || state === 'unwritten';
}

type Kind = Pick<Extent, 'state' | 'bdev' | 'isAccessible'>;

/** Whoever must see what the cache learns and forgets: the mappings of the file. */
export interface ExtentWatcher {
  inserted(extent: Extent): void;
  invalidated(iblock: number, count: number): void;
}

/** The extents of one inode, in the order of the file, none overlapping another. */
export class ExtentCache {
  watcher: ExtentWatcher | undefined;
  #rows = new ExtentRows();
  // What a row says by a number. There are few: a device or two, each in few states.
  readonly #kinds: Kind[] = [];

  /** Bytes of memory that the extents take. */
  get bytes(): number {
    return this.#rows.bytes;
  }

  /** The extent that holds `iblock`, as it is now. */
  find(iblock: number): Extent | undefined {
    const extent = emptyExtent();
    return this.findInto(iblock, extent) ? extent : undefined;
  }

  /** As `find`, but what is found is written over `extent`. False if nothing is. */
  findInto(iblock: number, extent: Extent): boolean {
    const rows = this.#rows;
    if (!rows.find(iblock)) return false;
    const { state, bdev, isAccessible } = this.#kinds[rows.kind] as Kind;
    extent.iblock = rows.start;
    extent.count = rows.end - rows.start;
    extent.state = state;
    extent.blocknr = rows.blocknr;
    extent.bdev = bdev;
    extent.source = undefined;
    extent.isAccessible = isAccessible;
    return true;
  }

  /** Remembers an extent in place of whatever was known of its blocks. */
  insert(extent: Extent): void {
    this.#remember(extent);
    this.watcher?.inserted(extent);
  }

  /** As `insert`, for a part of what was found here, of which more is known now: mappings have seen it. */
  confirm(extent: Extent): void {
    this.#remember(extent);
  }

  /**
   * Forgets `count` blocks from `iblock` on, by default all that follow: they are about to go, or to lie elsewhere. No
   * mapping shows them any more when this returns.
   */
  invalidate(iblock = 0, count = Number.POSITIVE_INFINITY): void {
    this.forget(iblock, count);
    if (count > 0) this.watcher?.invalidated(iblock, count);
  }

  /** As `invalidate`, but for the cache alone: what mappings show of the blocks is right for the time being. */
  forget(iblock: number, count: number): void {
    const to = iblock + count;
    if (iblock === 0 && to === Number.POSITIVE_INFINITY) {
      this.#rows = new ExtentRows();
      return;
    }
    // Nothing to forget, and nothing to cut in two.
    if (count <= 0) return;
    const rows = this.#rows;
    rows.seek(iblock);
    while (!rows.isAtEnd && rows.start < to) {
      const { start, end, blocknr, kind } = rows;
      if (start < iblock) {
        rows.replace(start, iblock, blocknr, kind);
        rows.next();
        if (end > to) rows.insert(to, end, blocknr + (to - start), kind);
      } else if (end > to) {
        rows.replace(to, end, blocknr + (to - start), kind);
      } else {
        rows.remove();
      }
    }
  }

  #remember(extent: Extent): void {
    const { iblock, count, state, blocknr } = extent;
    this.forget(iblock, count);
    const kind = this.#kindOf(extent);
    if (kind === undefined) return;
    const rows = this.#rows;
    // A filesystem that answers block by block makes long runs all the same.
    const follows = (block: number, after: number) => state === 'hole' || block === after;
    let end = iblock + count;
    rows.seek(iblock);
    if (!rows.isAtEnd && rows.start === end && rows.kind === kind && follows(rows.blocknr, blocknr + count)) {
      end = rows.end;
      rows.remove();
    }
    if (rows.previous()) {
      const { start, blocknr: first } = rows;
      if (rows.end === iblock && rows.kind === kind && follows(blocknr, first + (iblock - start))) {
        rows.replace(start, end, first, kind);
        return;
      }
      rows.next();
    }
    rows.insert(iblock, end, blocknr, kind);
  }

  // Undefined for one kind too many, which is not remembered.
  #kindOf({ state, bdev, isAccessible }: Extent): number | undefined {
    const kinds = this.#kinds;
    const known = kinds.findIndex(
      (kind) => kind.state === state && kind.bdev === bdev && kind.isAccessible === isAccessible,
    );
    if (known >= 0) return known;
    return kinds.length < MAX_KINDS ? kinds.push({ state, bdev, isAccessible }) - 1 : undefined;
  }
}
