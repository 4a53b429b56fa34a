// Owns the mappings that a check has of one file: one that stays, to look through, and one for each store.

import { argumentError, DaxError, PROT_READ, type DaxMapping, type MmapOptions } from 'node-dax';
import type { MakeFilesystem } from './contract.js';
import { PAGE } from './probe.js';
import { bytesOf, Session, type OpenFile } from './session.js';

/** The refusals that say of a filesystem that its files cannot be mapped, and not that it does something wrong. */
const CANNOT: ReadonlySet<string | undefined> = new Set(['BLOCK_SIZE', 'NOT_MAPPABLE']);

/** Why no file of such a filesystem can be mapped; undefined if it can, or fails otherwise, which is for checks to find. */
export function whyUnmapped(make: MakeFilesystem, size: number): string | undefined {
  let session: Session | undefined;
  try {
    session = Session.beginMapped(make, size);
    const { file } = session.create('a');
    if (file.mmap === undefined) return 'its files have no mmap';
    file.writeSync(bytesOf(1, PAGE), 0);
    file.mmap({ prot: PROT_READ }).unmap();
    return undefined;
  } catch (error) {
    return error instanceof DaxError && CANNOT.has(error.reason) ? error.message : undefined;
  } finally {
    session?.end();
  }
}

export class FileMappings {
  readonly #session: Session;
  readonly #open: OpenFile;
  #kept: DaxMapping | undefined;

  constructor(session: Session, open: OpenFile) {
    this.#session = session;
    this.#open = open;
  }

  /** There is a mapping that stays. */
  get isMapped(): boolean {
    return this.#kept !== undefined;
  }

  /** The file through the mapping that stays, to the end of the page that it ends in. */
  content(): Uint8Array {
    const { size } = this.#open.file;
    if (size === 0) return new Uint8Array(0);
    if (this.#kept !== undefined && this.#kept.length < size) this.unmap();
    this.#kept ??= this.#map({ prot: PROT_READ, length: 2 * size + PAGE });
    return new Uint8Array(this.#kept.buffer);
  }

  /** Stores through another mapping, which is gone afterwards: durably, or for others to see only. */
  store(bytes: Uint8Array, pos: number, isDurable = true): void {
    const start = pos - (pos % PAGE);
    const mapping = this.#map({ pos: start, length: pos + bytes.byteLength - start });
    try {
      new Uint8Array(mapping.buffer).set(bytes, pos - start);
      if (isDurable) mapping.persist();
    } finally {
      mapping.unmap();
    }
    if (isDurable) this.#tellDevice(pos, bytes.byteLength);
  }

  unmap(): void {
    this.#kept?.unmap();
    this.#kept = undefined;
  }

  #map(options: MmapOptions): DaxMapping {
    const mapping = this.#open.file.mmap?.(options);
    if (mapping === undefined) throw argumentError('ERR_INVALID_ARG_VALUE', 'its files have no mmap');
    // What was lost is found by looking at the content, and by `persist`.
    mapping.on('error', () => undefined);
    return mapping;
  }

  // What a mapping makes durable passes the recording device by.
  #tellDevice(pos: number, length: number): void {
    const { inode } = this.#open;
    const { blockSize } = inode.sb;
    for (let at = pos; at < pos + length; ) {
      const iblock = Math.floor(at / blockSize);
      const bh = this.#session.witness.run(inode, iblock, Math.ceil((pos + length) / blockSize) - iblock);
      const end = Math.min(pos + length, iblock * blockSize + bh.size);
      bh.bdev?.persist((bh.blocknr - iblock) * blockSize + at, end - at);
      at = end;
    }
  }
}
