// Owns the mappings that a check has of one file: one that stays, for reading, and a new one for each store.

import { argumentError, DaxError, PROT_READ, type DaxMapping, type MmapOptions } from 'node-dax';
import type { MakeFilesystem } from './contract.js';
import { PAGE } from './probe.js';
import { bytesOf, Session, type OpenFile } from './session.js';

/** The reasons of errors that mean that a filesystem's files cannot be mapped, and not that it is wrong. */
const CANNOT: ReadonlySet<string | undefined> = new Set(['BLOCK_SIZE', 'NOT_MAPPABLE']);

/**
 * Why no file of such a filesystem can be mapped; undefined if files can be mapped, or if mapping fails in another way, which
 * checks will find.
 */
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

  /** Whether there is a mapping that stays. */
  get isMapped(): boolean {
    return this.#kept !== undefined;
  }

  /** The file as the mapping that stays shows it, up to the end of the file's last page. */
  content(): Uint8Array {
    const { size } = this.#open.file;
    if (size === 0) return new Uint8Array(0);
    if (this.#kept !== undefined && this.#kept.length < size) this.unmap();
    this.#kept ??= this.#map({ prot: PROT_READ, length: 2 * size + PAGE });
    return new Uint8Array(this.#kept.buffer);
  }

  /** Stores through a new mapping, which is closed afterwards: durably, or only visibly for other readers. */
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
    // Checks find losses by the content, and by `persist`.
    mapping.on('error', () => undefined);
    return mapping;
  }

  // Tells the recording device of stores that a mapping made durable, because they bypass it.
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
