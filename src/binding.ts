// Loads the addon, on first use, and declares the types of the whole boundary to it. Nothing else loads it.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import bindings from 'bindings';
import { addonError, otherSystemError, type Libc } from './addon-error.js'; // late

/** How much must be flushed for a store to survive a power cut; see `DaxDevice.granularity`. */
export type Granularity = 'byte' | 'cache_line' | 'page';

/** What a device is: a `/dev/daxX.Y`, a file on a filesystem mounted with DAX, any other file, a block device. */
export type DeviceKind = 'devdax' | 'fsdax' | 'file' | 'block';

/** A device of the addon. It is freed when it is collected; `close` only gives its memory back earlier. */
export interface NativeHandle {
  readonly native: unique symbol;
}

/** A file that is mapped, as the fault service knows it. */
export interface NativeFile {
  readonly nativeFile: unique symbol;
}

/** Addresses that show a part of such a file. */
export interface NativeRegion {
  readonly nativeRegion: unique symbol;
}

/**
 * Which touches of mapped memory are served: all; those of code, while system calls get EFAULT; none, so that everything
 * is installed when it is mapped.
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
  /** This open made the file. */
  created: boolean;
  /** This open gave an empty file its size. */
  filled: boolean;
  size: number;
  alignment: number;
  granularity: Granularity;
  mapSync: boolean;
  statxDax: boolean;
  /** -1 where the kernel names none. */
  numaNode: number;
  /** Empty where no region says. */
  persistenceDomain: string;
  resource?: number;
}

/**
 * Every function returns bytes or 0, or a negative errno. Offsets, lengths and positions are checked by the caller.
 * Copies end at the end of the buffer and of the device: a length may be larger than both.
 */
export interface Addon {
  open(
    path: string,
    readOnly: boolean,
    createSize: number | undefined,
    granularity: Granularity | undefined,
    lock: boolean,
    claim: boolean,
  ): NativeFacts | number;
  /** Without `offset` and `length` the whole buffer, whose length costs more to ask for in JavaScript; `write` too. */
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
   * Writes `head` and `body` at `pos`, durably, and only then the word. Fewer bytes than both have: no word was stored. With
   * `seed` it first stores in the first 4 bytes of `head` the CRC32C of the rest of it and of `body`.
   */
  publish(
    handle: NativeHandle,
    head: Uint8Array,
    body: Uint8Array,
    pos: number,
    wordPos: number,
    word: number | bigint,
    seed?: number,
  ): number;
  /** The CRC32C of what `previous` is that of, and a part of `bytes` after it. */
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
  /** Bytes of the range before the first page of it that was lost. */
  intact(handle: NativeHandle, pos: number, length: number): number;
  drain(handle: NativeHandle): number;
  deepFlush(handle: NativeHandle): number;
  resize(handle: NativeHandle, size: number): number;
  /** The first position from `pos` on where the file has data, or else a hole; its size where there is none. */
  seek(handle: NativeHandle, pos: number, data: boolean): number;
  /** Its file descriptor, or -EBADF: to ask about, not to use. */
  descriptor(handle: NativeHandle): number;
  /** flock(2): 0 none, 1 shared, 2 exclusive. Where it fails, the lock that there was is gone too. */
  flock(handle: NativeHandle, mode: number): number;
  /** A lock of a range, to the end and beyond where `length` is 0. Where it fails, nothing has changed. */
  lockRange(handle: NativeHandle, mode: number, start: number, length: number): number;
  /** Keeps the kernel from mounting a block device meanwhile. */
  claim(handle: NativeHandle, isClaimed: boolean): number;
  /** Undefined where it cannot be known. */
  physicalAddress(handle: NativeHandle, pos: number): number | undefined;
  segment(handle: NativeHandle, pos: number, length: number): ArrayBuffer | number;
  /** By how many bytes the memory of `buffer` begins after a multiple of `alignment`. */
  misalignment(buffer: Uint8Array, alignment: number): number;
  /** What statx says of O_DIRECT, both 0 where it is refused; -ENODATA where it says nothing. */
  directIoAlignment(path: string): { memory: number; offset: number } | number;
  detach(buffer: ArrayBuffer): void;
  close(handle: NativeHandle): void;
  /**
   * Once in an isolate, before everything about faults. The service calls back on this thread: with a question about a
   * page of a file (a store or not, to zeros that were installed or not), or with a page that a region lost, and why.
   * `threadId`: that of node:worker_threads, to name this thread by.
   */
  faultConnect(
    callback: (isLoss: boolean, file: number, region: number, page: number, detail: boolean | number, isMkwrite: boolean) => void,
    threadId: number,
  ): FaultMode;
  /** Nobody answers a question in this isolate any more: those who wait are refused. */
  faultLeave(): void;
  /** A file with pages of `unit` bytes, which all counts of pages below are in. */
  faultFile(unit: number, size: number): { file: NativeFile; id: number };
  faultSetSize(file: NativeFile, size: number): void;
  /** `readOnly`: no store may go there. */
  faultKnow(file: NativeFile, first: number, count: number, device: NativeHandle, pos: number, readOnly: boolean): number;
  /** 0: nothing else is known, 1: of one of the pages something else is, 2: that is known already. */
  faultCompare(file: NativeFile, first: number, count: number, device: NativeHandle, pos: number, readOnly: boolean): number;
  /** Some of the pages may have been stored to since they were made durable. */
  faultIsStored(file: NativeFile, first: number, count: number): boolean;
  /**
   * Which those are: first and count of each run, one after the other. From now on the next store to one of them is noticed.
   * Once they are durable: `faultSetDurable`.
   */
  faultTakeStored(file: NativeFile, first: number, count: number): number[];
  faultSetDurable(file: NativeFile, first: number, count: number): void;
  /** What may have been stored to the same file through `ended`, which nobody looks at any more. */
  faultTakeOver(file: NativeFile, ended: NativeFile): void;
  faultKnowHole(file: NativeFile, first: number, count: number): number;
  faultForget(file: NativeFile, first: number, count: number): void;
  /** `errno` positive, or 0: look again. */
  faultAnswer(file: NativeFile, region: number, page: number, isMajor: boolean, errno: number): void;
  faultAnswerCopy(file: NativeFile, region: number, page: number, bytes: Uint8Array): void;
  faultForgive(file: NativeFile): void;
  /** Whether its owner looks at it. False where it has ended: nobody else looks either. */
  faultSetWanted(file: NativeFile, wanted: boolean): boolean;
  faultFreeze(file: NativeFile, isFrozen: boolean): void;
  /** `fileId` may be another isolate's. `phase`: the device's position of the first page, modulo 2 MiB. */
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
  /** Stores are durable after a `regionDrain` of the same thread. */
  regionFlush(region: NativeRegion, offset: number, length: number): number;
  regionDrain(): void;
  regionIntact(region: NativeRegion, offset: number, length: number): number;
  /** Touches every page. Bytes touched before the first that cannot be had. */
  regionPrefault(region: NativeRegion, length: number): number;
  regionInfo(region: NativeRegion): NativeRegionInfo;
  regionClose(region: NativeRegion): void;
  /** Calls back whenever there is something to read; -ENOSYS where the runtime has no libuv. It keeps the program running. */
  watchReadable(fd: number, callback: () => void): NativeWatch | number;
  /** Once. Before the descriptor is closed. */
  unwatch(watch: NativeWatch): void;
  /** One read(2) of a descriptor with O_NONBLOCK. -EAGAIN where nothing comes within `microseconds`, which the thread waits. */
  readAvailable(fd: number, target: Uint8Array, microseconds: number): number;
  /** Two Unix sockets that are connected, and closed on exec. */
  socketPair(): [number, number] | number;
  /** The descriptor that a message brought; -ENOMSG where there is none. */
  receiveDescriptor(socket: number): number;
  /** Puts the signal handlers in front of whatever was installed since. */
  guard(): void;
  cpu(): { flushInstruction: string; streamThreshold?: number };
}

// The package is seen from dist/src. A bundle lies elsewhere, and one that is an ES module has no __dirname. The paths are
// literal, for programs that read in the code which files it needs (@vercel/nft).
function isInPackage(): boolean {
  try {
    const { name } = JSON.parse(readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8')) as { name?: unknown };
    return name === 'node-dax';
  } catch {
    return false;
  }
}

// A process runs on the C library whose loader it has mapped; a file of that name may also lie on other systems. Where the
// permission model hides the mappings, Node's own report tells, which takes longer.
function libc(): Libc {
  try {
    return readFileSync('/proc/self/maps', 'latin1').includes('/ld-musl-') ? 'musl' : 'glibc';
  } catch {
    const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
    return header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
  }
}

// Bundles and single executables have no require() for files.
function loadFile(path: string): unknown {
  const module = { exports: {} };
  process.dlopen(module, resolve(path));
  return module.exports;
}

function load(): Addon {
  if (process.platform !== 'linux') throw otherSystemError();
  const named = process.env['NODE_DAX_ADDON'] === '' ? undefined : process.env['NODE_DAX_ADDON'];
  try {
    if (named !== undefined) return loadFile(named) as Addon;
    const found: unknown = bindings({
      bindings: 'node_dax.node',
      module_root: join(__dirname, '..', '..'),
      try: [
        ['module_root', 'build', 'Release', 'bindings'],
        ['module_root', 'native', 'build', 'Release', 'bindings'],
        [join(__dirname, '..', '..', 'prebuilds'), `${process.platform}-${process.arch}`, `node_dax.${libc()}.node`],
      ],
    });
    return found as Addon;
  } catch (cause) {
    throw addonError(cause, { isInPackage: isInPackage(), libc: libc(), named });
  }
}

let loaded: Addon | undefined;

// A listener for such a signal takes it away from the addon, and taking the listener away leaves nobody.
function guardAgain(event: string | symbol): void {
  if (event === 'SIGBUS' || event === 'SIGSEGV') queueMicrotask(() => loaded?.guard());
}

/** The addon, or what NODE_DAX_ADDON names. Throws a `DaxError` whose `reason` begins with `ADDON` where it does not load. */
export function addon(): Addon {
  if (loaded === undefined) {
    loaded = load();
    process.on('newListener', guardAgain).on('removeListener', guardAgain);
  }
  return loaded;
}
