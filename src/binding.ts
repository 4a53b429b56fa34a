// Owns the boundary to the addon: it alone loads the addon, on first use, and declares the types of its functions.

import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { join, resolve } from 'node:path';
import bindings from 'bindings';
import { addonError, otherSystemError, type Libc } from './addon-error.js'; // late

/** How much must be flushed for a store to survive a power cut; see `DaxDevice.granularity`. */
export type Granularity = 'byte' | 'cache_line' | 'page';

/** What a device is: a `/dev/daxX.Y`, a file on a filesystem mounted with DAX, any other file, a block device. */
export type DeviceKind = 'devdax' | 'fsdax' | 'file' | 'block';

/** A device of the addon. Garbage collection frees it; `close` only gives its memory back earlier. */
export interface NativeHandle {
  readonly native: unique symbol;
}

/** What publishes records of a device. */
export interface NativePublisher {
  readonly nativePublisher: unique symbol;
}

/** A mapped file, as the fault service knows it. */
export interface NativeFile {
  readonly nativeFile: unique symbol;
}

/** A range of addresses that shows a part of a mapped file. */
export interface NativeRegion {
  readonly nativeRegion: unique symbol;
}

/**
 * Which touches of mapped memory are served. `full`: all. `user`: those of code, while system calls get EFAULT. `none`: none, so
 * everything is installed when it is mapped.
 */
export type FaultMode = 'full' | 'user' | 'none';

export interface NativeRegionInfo {
  /** Addresses. */
  start: number;
  end: number;
  minor: number;
  major: number;
  asked: number;
  hole: number;
  mkwrite: number;
  refused: number;
  /** [i]: faults that took less than 2^i ns, and at least half of that. */
  nanoseconds: number[];
}

/** A descriptor that the event loop watches. */
export interface NativeWatch {
  readonly nativeWatch: unique symbol;
}

/** What the addon finds at open. */
export interface NativeFacts {
  handle: NativeHandle;
  kind: DeviceKind;
  /** Whether this open created the file. */
  created: boolean;
  /** Whether this open gave an empty file its size. */
  filled: boolean;
  size: number;
  alignment: number;
  granularity: Granularity;
  mapSync: boolean;
  statxDax: boolean;
  /** -1 if the kernel names none. */
  numaNode: number;
  /** Empty if no region names one. */
  persistenceDomain: string;
  resource?: number;
}

/**
 * Every function returns bytes or 0, or a negative errno. Offsets, lengths and positions are checked by the caller. Copies end at
 * the end of the buffer or of the device, so a length may be larger than both.
 */
export interface Addon {
  open(
    path: string,
    readOnly: boolean,
    createSize: number | undefined,
    granularity: Granularity | undefined,
    lock: boolean,
    claim: boolean,
    byCall: boolean,
  ): NativeFacts | number;
  /** Opens as `open` does, on a thread of the pool: it may wait for a lock, and allocates a file. */
  openAsync(...wanted: Parameters<Addon['open']>): Promise<NativeFacts | number>;
  /**
   * Without `offset` and `length` it reads into the whole buffer, because getting the buffer's length is slower in JavaScript. The
   * same holds for `write`.
   */
  read(handle: NativeHandle, target: Uint8Array, pos: number, offset?: number, length?: number): number;
  write(
    handle: NativeHandle,
    source: Uint8Array,
    pos: number,
    flush: boolean,
    offset?: number,
    length?: number,
  ): number;
  zero(handle: NativeHandle, pos: number, length: number, flush: boolean): number;
  /** One store of a word at a multiple of 8. */
  storeU64(handle: NativeHandle, pos: number, word: number | bigint, flush: boolean): number;
  /** One load of a word at a multiple of 8. */
  loadU64(handle: NativeHandle, pos: number): bigint | number;
  /**
   * `numbers` has places for the position, end, word and bytes of the next publication, and for 1 if something else was stored since
   * the last one. The addon keeps the addresses of both arrays.
   */
  recordPublisher(
    handle: NativeHandle,
    wordPos: number,
    seed: number,
    headSize: number,
    unit: number,
    numbers: Float64Array,
    heads: Uint8Array,
  ): NativePublisher | number;
  /**
   * Writes a record, durably, and only then stores the word. If it returns fewer bytes than the record has, no word was stored.
   */
  publishRecord(publisher: NativePublisher, content: NodeJS.ArrayBufferView): number;
  /** The same for at most 256 records, and one word for all. */
  publishRecords(publisher: NativePublisher, ...contents: readonly NodeJS.ArrayBufferView[]): number;
  /** The CRC32C of the bytes whose CRC32C is `previous`, followed by a part of `bytes`. */
  crc32c(bytes: Uint8Array, previous: number, offset?: number, length?: number): number;
  copyAsync(
    handle: NativeHandle,
    buffer: Uint8Array,
    offset: number,
    length: number,
    pos: number,
    flush: boolean,
    write: boolean,
  ): Promise<number> | number;
  flush(handle: NativeHandle, pos: number, length: number): number;
  invalidate(handle: NativeHandle, pos: number, length: number): number;
  /** The number of bytes in the range before its first lost page. */
  intact(handle: NativeHandle, pos: number, length: number): number;
  drain(handle: NativeHandle): number;
  deepFlush(handle: NativeHandle): number;
  resize(handle: NativeHandle, size: number): number;
  /**
   * The first position from `pos` on at which the file has data (`data`) or a hole (not `data`); the size of the file if there is
   * none.
   */
  seek(handle: NativeHandle, pos: number, data: boolean): number;
  /** The file descriptor of the device, or -EBADF. Use it only to ask about the file, not for I/O. */
  descriptor(handle: NativeHandle): number;
  /** flock(2): 0 none, 1 shared, 2 exclusive. If it fails, the lock held before is gone too. */
  flock(handle: NativeHandle, mode: number): number;
  /** Locks a range, or everything from `start` on if `length` is 0. If it fails, nothing has changed. */
  lockRange(handle: NativeHandle, mode: number, start: number, length: number): number;
  /** Claims a block device, so the kernel does not mount it, or gives the claim up. */
  claim(handle: NativeHandle, isClaimed: boolean): number;
  /** The physical address of the byte at `pos`; undefined if it cannot be known. */
  physicalAddress(handle: NativeHandle, pos: number): number | undefined;
  segment(handle: NativeHandle, pos: number, length: number): ArrayBuffer | number;
  /** The address of the memory of `buffer`, modulo `alignment`. */
  misalignment(buffer: Uint8Array, alignment: number): number;
  /** The alignments that statx reports for O_DIRECT, both 0 if O_DIRECT is refused; -ENODATA if statx reports none. */
  directIoAlignment(path: string): { memory: number; offset: number } | number;
  detach(buffer: ArrayBuffer): void;
  close(handle: NativeHandle): void;
  /**
   * Call it once in an isolate, before the other functions for faults. The service calls back on this thread, with a question about
   * a page of a file (`detail`: whether it is for a store; `isMkwrite`: to zeros that were installed), or with a page that a region
   * lost (`detail`: the errno). `threadId` is that of node:worker_threads, and names this thread.
   */
  faultConnect(
    callback: (isLoss: boolean, file: number, region: number, page: number, detail: boolean | number, isMkwrite: boolean) => void,
    threadId: number,
  ): FaultMode;
  /** This isolate answers no more questions: the threads that wait for an answer are refused. */
  faultLeave(): void;
  /** Makes a file with pages of `unit` bytes, the unit of all page numbers and counts below. */
  faultFile(unit: number, size: number): { file: NativeFile; id: number };
  faultSetSize(file: NativeFile, size: number): void;
  /** Tells the service where pages lie. `readOnly`: no store may go there. */
  faultKnow(file: NativeFile, first: number, count: number, device: NativeHandle, pos: number, readOnly: boolean): number;
  /**
   * Compares these places with those that the service has recorded. 0: none is recorded for some of the pages; 1: another place is
   * recorded for one of the pages; 2: exactly these places are recorded.
   */
  faultCompare(file: NativeFile, first: number, count: number, device: NativeHandle, pos: number, readOnly: boolean): number;
  /** Whether some of the pages may have been stored to since they were made durable. */
  faultIsStored(file: NativeFile, first: number, count: number): boolean;
  /**
   * The pages for which `faultIsStored` is true: the first page and the count of each run, one after the other. From now on the
   * next store to each of them is noticed. Call `faultSetDurable` once they are durable.
   */
  faultTakeStored(file: NativeFile, first: number, count: number): number[];
  faultSetDurable(file: NativeFile, first: number, count: number): void;
  /**
   * Takes over from `ended`, an earlier object of the same file that no longer has regions, the pages that may have been stored to.
   */
  faultTakeOver(file: NativeFile, ended: NativeFile): void;
  faultKnowHole(file: NativeFile, first: number, count: number): number;
  faultForget(file: NativeFile, first: number, count: number): void;
  /** `errno` is positive, or 0 to make the service look again. */
  faultAnswer(file: NativeFile, region: number, page: number, isMajor: boolean, errno: number): void;
  faultAnswerCopy(file: NativeFile, region: number, page: number, bytes: Uint8Array): void;
  faultForgive(file: NativeFile): void;
  /** Tells whether the owner still uses the file. Returns false if the file has ended, because no region shows it either. */
  faultSetWanted(file: NativeFile, wanted: boolean): boolean;
  faultFreeze(file: NativeFile, isFrozen: boolean): void;
  /** `fileId` may be another isolate's. `phase`: the position of the first page on the device, modulo 2 MiB. */
  regionOpen(
    fileId: number,
    first: number,
    count: number,
    writable: boolean,
    shared: boolean,
    kill: boolean,
    phase: number,
  ): { region: NativeRegion; id: number } | number;
  regionInstall(region: NativeRegion, first: number, count: number): number;
  regionBuffer(region: NativeRegion, length: number): ArrayBuffer | number;
  regionPersist(region: NativeRegion, offset: number, length: number): number;
  /** Stores are durable after a `regionDrain` on the same thread. */
  regionFlush(region: NativeRegion, offset: number, length: number): number;
  regionDrain(): void;
  regionIntact(region: NativeRegion, offset: number, length: number): number;
  /** Touches every page. Returns the number of bytes before the first page that is refused. */
  regionPrefault(region: NativeRegion, length: number): number;
  regionInfo(region: NativeRegion): NativeRegionInfo;
  regionClose(region: NativeRegion): void;
  /** Calls back whenever there is something to read; -ENOSYS if the runtime has no libuv. It keeps the process alive. */
  watchReadable(fd: number, callback: () => void): NativeWatch | number;
  /** Ends a watch. Call it once, before the descriptor is closed. */
  unwatch(watch: NativeWatch): void;
  /**
   * One read(2) of a descriptor with O_NONBLOCK. -EAGAIN if nothing arrives within `microseconds`; the thread blocks for that time.
   */
  readAvailable(fd: number, target: Uint8Array, microseconds: number): number;
  exchange(fd: number, message: Uint8Array, bytes: number, target: Uint8Array, microseconds: number): number;
  /** Two Unix sockets that are connected, and closed on exec. */
  socketPair(): [number, number] | number;
  /** The descriptor that came with a message; -ENOMSG if none has come. */
  receiveDescriptor(socket: number): number;
  /**
   * Looks at files of a directory, and reads those that are small. All paths end with a NUL. `fields` has twelve 64-bit integers for
   * each file. Returns how many files it looked at.
   */
  readSmallFiles(directory: Uint8Array, names: Uint8Array, content: Uint8Array, fields: Uint8Array): number;
  /** Puts the addon's signal handlers in front of any that were installed since. */
  guard(): void;
  cpu(): { flushInstruction: string; streamThreshold?: number };
}

// Whether this file lies in dist/src of the package. A bundle lies elsewhere, and a bundle that is an ES module has no __dirname.
// The paths are literals, for tools that find in the code the files it needs (@vercel/nft).
function isInPackage(): boolean {
  try {
    const { name } = JSON.parse(readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8')) as { name?: unknown };
    return name === 'node-dax';
  } catch {
    return false;
  }
}

// A process runs on the C library whose loader it has mapped; that the loader's file exists proves nothing. If the permission model
// hides the mappings, Node's own report tells, which takes longer.
function libc(): Libc {
  try {
    return readFileSync('/proc/self/maps', 'latin1').includes('/ld-musl-') ? 'musl' : 'glibc';
  } catch {
    const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
    return header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
  }
}

function find(): string {
  // The declarations lack `path`: the answer is where the file is.
  return bindings({
    bindings: 'node_dax.node',
    path: true,
    module_root: join(__dirname, '..', '..'),
    try: [
      ['module_root', 'build', 'Release', 'bindings'],
      ['module_root', 'native', 'build', 'Release', 'bindings'],
      [join(__dirname, '..', '..', 'prebuilds'), `${process.platform}-${process.arch}`, `node_dax.${libc()}.node`],
    ],
  } as bindings.Options & { path: true }) as string;
}

// Whether a file ends before its table of section headers, which linkers write last. The dynamic loader maps the missing
// part too, and SIGBUS ends the process. A file that is no ELF file at all is left to the loader, which refuses it.
function isCutOff(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const header = Buffer.alloc(64);
    if (readSync(file, header) < header.length || header.readUInt32BE() !== 0x7f454c46) return false;
    const end = Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60);
    return fstatSync(file).size < end;
  } finally {
    closeSync(file);
  }
}

// Bundles and single executables have no require() for files.
function loadFile(path: string): unknown {
  const module = { exports: {} };
  process.dlopen(module, path);
  return module.exports;
}

function load(): Addon {
  if (process.platform !== 'linux') throw otherSystemError();
  const named = process.env['NODE_DAX_ADDON'] === '' ? undefined : process.env['NODE_DAX_ADDON'];
  try {
    const path = named === undefined ? find() : resolve(named);
    if (isCutOff(path)) throw Object.assign(new Error(`${path}: file too short`), { code: 'ERR_DLOPEN_FAILED' });
    return loadFile(path) as Addon;
  } catch (cause) {
    throw addonError(cause, { isInPackage: isInPackage(), libc: libc(), named });
  }
}

let loaded: Addon | undefined;

// A listener for one of these signals replaces the addon's handler, and removing the listener leaves no handler.
function guardAgain(event: string | symbol): void {
  if (event === 'SIGBUS' || event === 'SIGSEGV') queueMicrotask(() => loaded?.guard());
}

/**
 * The addon: the prebuilt one, or the file that NODE_DAX_ADDON names. Throws a `DaxError` whose `reason` begins with `ADDON` if it
 * does not load.
 */
export function addon(): Addon {
  if (loaded === undefined) {
    loaded = load();
    process.on('newListener', guardAgain).on('removeListener', guardAgain);
  }
  return loaded;
}
