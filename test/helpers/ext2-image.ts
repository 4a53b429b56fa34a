// Owns images of ext2 in memory: made by mke2fs, judged by e2fsck, read by debugfs.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PAGE_SIZE, type BufferRange, type Bytes, type DirectAccess, type DriverDevice, type FlushOption, type WriteOptions } from 'node-dax';
import { MemoryDevice } from 'node-dax/testkit';
import { imageDriver, type ImageDriver } from './image-drivers.js';

const EMPTY = new Uint8Array(PAGE_SIZE);
const DRIVER = process.env['NODE_DAX_TEST_ON_DRIVER'];

/** Why there is no mke2fs, e2fsck or debugfs, or undefined. */
export function e2fsprogsMissing(): string | undefined {
  const missing = ['mke2fs', 'e2fsck', 'debugfs'].filter((program) => spawnSync(program, ['-V']).error !== undefined);
  return missing.length === 0 ? undefined : `${missing.join(', ')}: not installed: apt-get install e2fsprogs`;
}

/** A device in memory, or on a driver in memory, with an image. What is stored past `limit` is noted. */
export class ImageDevice extends MemoryDevice {
  /** Where the filesystem ends, in bytes. */
  limit = Number.POSITIVE_INFINITY;
  /** Where something was stored that is not the filesystem's. */
  strayStore: number | undefined;
  stores = 0;
  loads = 0;
  /** More loads than this are a loop that does not end. */
  mostLoads = Number.POSITIVE_INFINITY;
  readonly #made: ImageDriver | undefined;

  /** An image that does not end with a page is followed by zeros. */
  constructor(image: Uint8Array) {
    const pages = wholePages(image);
    super(pages);
    this.#made = DRIVER === undefined ? undefined : imageDriver(DRIVER, pages.byteLength);
    if (this.#driver !== undefined) putOn(this.#driver, pages);
  }

  /** What is on it now. It may be a copy. */
  get content(): Uint8Array {
    return this.#made?.content() ?? this.memory;
  }

  get #driver(): DriverDevice | undefined {
    return this.#made?.device;
  }

  override directAccess(sector: Bytes, size: Bytes): DirectAccess {
    return this.#driver?.directAccess(sector, size) ?? super.directAccess(sector, size);
  }

  override readSync(target: NodeJS.ArrayBufferView, pos: Bytes, range?: BufferRange): number {
    if (++this.loads > this.mostLoads) throw new Error(`more than ${this.mostLoads} loads`);
    return this.#driver?.readSync(target, pos, range) ?? super.readSync(target, pos, range);
  }

  override writeSync(source: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions): number {
    if (this.#driver === undefined) return super.writeSync(source, pos, options);
    this.#note(Number(pos), options?.length ?? source.byteLength - (options?.offset ?? 0));
    return this.#driver.writeSync(source, pos, options);
  }

  override zeroSync(pos: Bytes, length: Bytes, options?: FlushOption): number {
    if (this.#driver === undefined) return super.zeroSync(pos, length, options);
    this.#note(Number(pos), Number(length));
    return this.#driver.zeroSync(pos, length, options);
  }

  protected override store(pos: number, bytes: Uint8Array, options: FlushOption): void {
    this.#note(pos, bytes.byteLength);
    super.store(pos, bytes, options);
  }

  #note(pos: number, length: number): void {
    this.stores++;
    if (pos + length > this.limit) this.strayStore ??= pos;
  }
}

// Only pages with something in them, so the others come into being when they are first used.
function putOn(device: DriverDevice, pages: Uint8Array): void {
  for (let pos = 0; pos < pages.byteLength; pos += PAGE_SIZE) {
    const page = pages.subarray(pos, pos + PAGE_SIZE);
    if (Buffer.compare(page, EMPTY) !== 0) device.writeSync(page, pos);
  }
}

function wholePages(image: Uint8Array): Uint8Array {
  if (image.byteLength % PAGE_SIZE === 0) return image;
  const memory = new Uint8Array(Math.ceil(image.byteLength / PAGE_SIZE) * PAGE_SIZE);
  memory.set(image);
  return memory;
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

/** Where files are quickly written: tmpfs, if there is one. */
export const shm = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** Calls `work` with a file name that is gone afterwards. */
export function withFile<T>(work: (path: string) => T): T {
  const folder = mkdtempSync(join(shm, 'node-dax-ext2-'));
  try {
    return work(join(folder, 'image'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// What mke2fs has made, by its options: many tests begin with the same small image.
const made = new Map<string, Uint8Array>();
const SMALL = 4 * 1024 * 1024;

/** What mke2fs makes; small images are copies of one. */
export function mke2fs(options: ImageOptions = {}): Uint8Array {
  if ((options.size ?? SMALL) > SMALL) return madeNow(options);
  const key = JSON.stringify(options);
  const image = made.get(key) ?? madeNow(options);
  made.set(key, image);
  return image.slice();
}

function madeNow(options: ImageOptions): Uint8Array {
  const { size = SMALL, blockSize = 1024, inodeSize = 256, revision = 1, more = [] } = options;
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

/** The content of files as debugfs reads it, by inode. */
export function dumped(image: Uint8Array, inodes: readonly number[]): Map<number, Buffer> {
  return withFile((path) => {
    writeFileSync(path, image);
    const requests = inodes.map((ino) => `dump <${ino}> ${path}.${ino}`);
    execFileSync('debugfs', ['-f', '-', path], { input: requests.join('\n'), stdio: ['pipe', 'ignore', 'ignore'] });
    return new Map(inodes.map((ino) => [ino, readFileSync(`${path}.${ino}`)]));
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
