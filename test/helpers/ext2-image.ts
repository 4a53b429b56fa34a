// Owns images of ext2 in memory: made by mke2fs, judged by e2fsck, read by debugfs.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  bdevDirectAccess,
  PAGE_SIZE,
  SECTOR_SIZE,
  type BlockDevice,
  type BufferRange,
  type Bytes,
  type DirectAccess,
  type WriteOptions,
} from 'node-dax';

/** Why there is no mke2fs, e2fsck or debugfs, or undefined. */
export function e2fsprogsMissing(): string | undefined {
  const missing = ['mke2fs', 'e2fsck', 'debugfs'].filter((program) => spawnSync(program, ['-V']).error !== undefined);
  return missing.length === 0 ? undefined : `${missing.join(', ')}: not installed: apt-get install e2fsprogs`;
}

/** A device that is plain memory. What is stored past `limit` is noted. */
export class ImageDevice implements BlockDevice {
  readonly memory: Uint8Array;
  readonly granularity = 'byte';
  /** Where the filesystem ends, in bytes. */
  limit = Number.POSITIVE_INFINITY;
  /** Where something was stored that is not the filesystem's. */
  strayStore: number | undefined;
  stores = 0;
  loads = 0;
  /** More loads than this are a loop that does not end. */
  mostLoads = Number.POSITIVE_INFINITY;

  /** An image that does not end with a page is followed by zeros. */
  constructor(image: Uint8Array) {
    if (image.byteLength % PAGE_SIZE === 0) {
      this.memory = image;
    } else {
      this.memory = new Uint8Array(Math.ceil(image.byteLength / PAGE_SIZE) * PAGE_SIZE);
      this.memory.set(image);
    }
  }

  get size(): number {
    return this.memory.byteLength;
  }

  directAccess(sector: Bytes, size: Bytes): DirectAccess {
    const op = (at: number, wanted: number) => {
      const pos = at * SECTOR_SIZE;
      const bytes = this.size - pos;
      return { bytes, window: this.memory.subarray(pos, pos + Math.min(bytes, wanted)), pfn: undefined };
    };
    return bdevDirectAccess(op, Math.floor(this.size / SECTOR_SIZE), sector, size);
  }

  readSync(target: NodeJS.ArrayBufferView, pos: Bytes, range: BufferRange = {}): number {
    if (++this.loads > this.mostLoads) throw new Error(`more than ${this.mostLoads} loads`);
    const bytes = part(target, range);
    const found = this.memory.subarray(Number(pos), Number(pos) + bytes.byteLength);
    bytes.set(found);
    return found.byteLength;
  }

  writeSync(source: NodeJS.ArrayBufferView, pos: Bytes, options: WriteOptions = {}): number {
    const bytes = part(source, options);
    this.#store(Number(pos), bytes.byteLength);
    this.memory.set(bytes, Number(pos));
    return bytes.byteLength;
  }

  zeroSync(pos: Bytes, length: Bytes): number {
    this.#store(Number(pos), Number(length));
    this.memory.fill(0, Number(pos), Number(pos) + Number(length));
    return Number(length);
  }

  flush(): void {
    // Memory is as durable as it gets.
  }

  drain(): void {
    // As flush.
  }

  persist(): void {
    // As flush.
  }

  #store(pos: number, length: number): void {
    this.stores++;
    if (pos + length > this.limit) this.strayStore ??= pos;
  }
}

function part({ buffer, byteOffset, byteLength }: NodeJS.ArrayBufferView, range: BufferRange): Uint8Array {
  const offset = range.offset ?? 0;
  return new Uint8Array(buffer, byteOffset + offset, range.length ?? byteLength - offset);
}

export interface ImageOptions {
  /** Bytes. Default 4 MiB. */
  size?: number;
  blockSize?: number;
  inodeSize?: number;
  revision?: number;
  /** Further arguments of mke2fs. */
  more?: readonly string[];
}

const shm = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** Calls `work` with a file name that is gone afterwards. */
export function withFile<T>(work: (path: string) => T): T {
  const folder = mkdtempSync(join(shm, 'node-dax-ext2-'));
  try {
    return work(join(folder, 'image'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What mke2fs makes. */
export function mke2fs(options: ImageOptions = {}): Uint8Array {
  const { size = 4 * 1024 * 1024, blockSize = 1024, inodeSize = 256, revision = 1, more = [] } = options;
  return withFile((path) => {
    writeFileSync(path, '');
    truncateSync(path, size);
    const sizes = ['-b', blockSize, '-I', inodeSize, '-r', revision].map(String);
    execFileSync('mke2fs', ['-q', '-F', '-t', 'ext2', ...sizes, ...more, path], { stdio: ['ignore', 'ignore', 'ignore'] });
    return new Uint8Array(readFileSync(path));
  });
}

/** A device with what mke2fs makes. */
export function formatted(options: ImageOptions = {}): ImageDevice {
  return new ImageDevice(mke2fs(options));
}

/** What `e2fsck -fn` says of an image: undefined if nothing. */
export function e2fsck(image: Uint8Array): string | undefined {
  return withFile((path) => {
    writeFileSync(path, image);
    const { status, stdout, stderr } = spawnSync('e2fsck', ['-fn', path], { encoding: 'latin1' });
    return status === 0 ? undefined : `exit status ${status ?? -1}\n${stdout}${stderr}`;
  });
}

/** What debugfs prints for a request, as bytes. */
export function debugfs(image: Uint8Array, request: string): Buffer {
  return withFile((path) => {
    writeFileSync(path, image);
    return execFileSync('debugfs', ['-R', request, path], { maxBuffer: 2 ** 30, stdio: ['ignore', 'pipe', 'ignore'] });
  });
}

/** An image after debugfs did what it was told. */
export function afterDebugfs(image: Uint8Array, requests: readonly string[]): Uint8Array {
  return withFile((path) => {
    writeFileSync(path, image);
    execFileSync('debugfs', ['-w', '-f', '-', path], { input: requests.join('\n'), stdio: ['pipe', 'ignore', 'ignore'] });
    return new Uint8Array(readFileSync(path));
  });
}

/** Every sort of image that is supported. */
export const KINDS: readonly Required<Pick<ImageOptions, 'blockSize' | 'inodeSize' | 'revision'>>[] = [
  { blockSize: 1024, inodeSize: 128, revision: 0 },
  { blockSize: 4096, inodeSize: 128, revision: 0 },
  { blockSize: 1024, inodeSize: 128, revision: 1 },
  { blockSize: 1024, inodeSize: 256, revision: 1 },
  { blockSize: 2048, inodeSize: 256, revision: 1 },
  { blockSize: 4096, inodeSize: 128, revision: 1 },
  { blockSize: 4096, inodeSize: 256, revision: 1 },
];

export function describeKind({ blockSize, inodeSize, revision }: (typeof KINDS)[number]): string {
  return `blocks of ${blockSize}, inodes of ${inodeSize}, revision ${revision}`;
}
