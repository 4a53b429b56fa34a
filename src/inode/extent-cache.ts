// Owns the cache of getBlock's answers: the extents of one inode, found in logarithmic time.

import type { BlockDevice } from '../device/block-device.js';
import type { BlockPlace } from './buffer-head.js';
import { ExtentRows, MAX_KINDS } from './extent-rows.js';

/**
 * What the blocks hold. `hole`: there are none. `written`: data. `shared`: data that another file has too. `new`: garbage that
 * must be initialised. `unwritten`: nothing yet, in blocks that are reserved.
 */
export type ExtentState = 'hole' | 'written' | 'shared' | 'new' | 'unwritten';

/** A run of blocks of a file that lie one after the other on a device, or a hole of the file. */
export interface Extent {
  /** The first block of the file. */
  iblock: number;
  /** Blocks. */
  count: number;
  state: ExtentState;
  /** The block on `bdev` where the extent begins; meaningless for a hole. */
  blocknr: number;
  /** Undefined for a hole. */
  bdev: BlockDevice | undefined;
  /** For new or unwritten blocks: the blocks that hold the file's data until these are filled, if there are any. */
  source?: BlockPlace | undefined;
  /** The device has given direct access to all of the extent, so later I/O need not ask again. */
  isAccessible: boolean;
}

/** Makes an extent for `findInto` to overwrite. */
export function emptyExtent(): Extent {
  return { iblock: 0, count: 0, state: 'hole', blocknr: 0, bdev: undefined, source: undefined, isAccessible: false };
}

/** Whether the extent has data to read. */
export function hasData({ state }: Extent): boolean {
  return state === 'written' || state === 'shared';
}

/** Whether the extent holds garbage, so whatever is not overwritten must be filled. */
export function isUninitialised({ state }: Extent): boolean {
  return state === 'new' || state === 'unwritten';
}

type Kind = Pick<Extent, 'state' | 'bdev' | 'isAccessible'>;

/** A listener for what the cache learns and forgets: the mappings of the file. */
export interface ExtentWatcher {
  inserted(extent: Extent): void;
  invalidated(iblock: number, count: number): void;
}

/** The extents of one inode, in the order of the file, none overlapping another. */
export class ExtentCache {
  watcher: ExtentWatcher | undefined;
  #rows = new ExtentRows();
  // The kinds that rows name by a number. There are few: one or two devices, each in a few states.
  readonly #kinds: Kind[] = [];

  /** Bytes of memory that the extents take. */
  get bytes(): number {
    return this.#rows.bytes;
  }

  /** A copy of the extent that holds `iblock`; undefined if the cache has none. */
  find(iblock: number): Extent | undefined {
    const extent = emptyExtent();
    return this.findInto(iblock, extent) ? extent : undefined;
  }

  /** Writes the extent that holds `iblock` over `extent`. Returns false if the cache has none. */
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

  /** Remembers an extent, and forgets what the cache knew of its blocks before. */
  insert(extent: Extent): void {
    this.#remember(extent);
    this.watcher?.inserted(extent);
  }

  /** Remembers more about a part of an extent that was found here. Mappings show that part already, and are not told. */
  confirm(extent: Extent): void {
    this.#remember(extent);
  }

  /**
   * Forgets `count` blocks from `iblock` on, by default all that follow. Call it before the filesystem frees or moves them: no
   * mapping shows them any more when this returns.
   */
  invalidate(iblock = 0, count = Number.POSITIVE_INFINITY): void {
    this.forget(iblock, count);
    if (count > 0) this.watcher?.invalidated(iblock, count);
  }

  /** Forgets blocks in the cache only. Mappings go on showing them. */
  forget(iblock: number, count: number): void {
    const to = iblock + count;
    if (iblock === 0 && to === Number.POSITIVE_INFINITY) {
      this.#rows = new ExtentRows();
      return;
    }
    // An empty range must not cut a row in two.
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
    // Neighbours that are contiguous on the device become one row, because a filesystem may answer block by block.
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

  // Undefined if there are too many kinds already; the extent is then not remembered.
  #kindOf({ state, bdev, isAccessible }: Extent): number | undefined {
    const kinds = this.#kinds;
    const known = kinds.findIndex(
      (kind) => kind.state === state && kind.bdev === bdev && kind.isAccessible === isAccessible,
    );
    if (known >= 0) return known;
    return kinds.length < MAX_KINDS ? kinds.push({ state, bdev, isAccessible }) - 1 : undefined;
  }
}
