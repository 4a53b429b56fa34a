// What is compared with what, and what is wanted of it.

import type { DriverName, ProgramName } from './drivers/index.js';
import type { Wanted } from './result.js';

const KiB = 1024;
const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

// Held by the cache of one core: a larger file measures the memory, which is the same for all.
const CACHED = MiB / 4;

/** One side of a comparison. */
export interface Side {
  driver: DriverName | ProgramName;
  blockSize: number;
  span: number;
  /** The file's size, where it is larger than what is walked through. */
  fileSize?: number;
}

export interface Target {
  name: string;
  ours: Side;
  base?: Side;
  /** Undefined: for information. */
  wanted?: Wanted;
}

function versus(
  name: string,
  ours: DriverName,
  base: DriverName | ProgramName,
  blockSize: number,
  wanted?: Wanted,
  span = Math.max(CACHED, 2 * blockSize),
): Target {
  return {
    name,
    ours: { driver: ours, blockSize, span },
    base: { driver: base, blockSize, span },
    ...(wanted && { wanted }),
  };
}

function side(driver: DriverName, span: number): Side {
  return { driver, blockSize: 4 * KiB, span };
}

// A filesystem in a file that has room for what is written, and for its own tables.
function ext2(driver: DriverName, blockSize: number, span: number): Side {
  return { driver, blockSize, span, fileSize: span + Math.max(16 * MiB, span / 8) };
}

// A famfs in a file that has room for its log, and for a file of `span` bytes, however it is striped.
function famfs(driver: DriverName, blockSize: number, span: number): Side {
  return { driver, blockSize, span, fileSize: 2 * span + 64 * MiB };
}

// A call of the facade on ext2, and the same of node:fs.
function facade(name: string, call: 'createReadStream' | 'readFile' | 'readFileSync' | 'readdirSync' | 'statSync' | 'writeFileSync', speed: number, span = 4 * KiB): Target {
  return {
    name: `${name} of the facade on ext2 : of fs on tmpfs`,
    ours: ext2(`facade-${call}`, 4 * KiB, span),
    base: side(`fs-${call}`, span),
    wanted: { speed },
  };
}

// Larger than the caches of a core, as a log is.
const LOG = 16 * MiB;

function appends(blockSize: number): readonly Target[] {
  return [
    versus(`log, append ${blockSize} bytes : pmemlog_append`, 'log-append', 'pmemlog', blockSize, { time: 1.3 }, LOG),
    versus(`log, append ${blockSize} bytes : fs.writeSync+fdatasync`, 'log-append', 'fs-writeSync-fdatasync', blockSize, { speed: 3 }, LOG),
    versus(`log, append ${blockSize} bytes : putSync of lmdb`, 'log-append', 'lmdb-putSync', blockSize, { speed: 10 }, LOG),
  ];
}

function view(fileSize: number): Side {
  return { driver: 'dax-view', blockSize: 4 * KiB, span: CACHED, fileSize };
}

export const TARGETS: readonly Target[] = [
  versus('readSync 4 KiB : fs.readSync', 'dax-readSync', 'fs-readSync', 4 * KiB, { speed: 3.5 }),
  versus('readSync 4 KiB : O_DIRECT fs.readSync', 'dax-readSync', 'fs-readSync-direct', 4 * KiB, { speed: 7 }),
  versus('readSync 4 KiB : C memcpy', 'dax-readSync', 'memcpy', 4 * KiB),
  versus('readSync 1 MiB : C memcpy', 'dax-readSync', 'memcpy', MiB),
  versus('await read 4 KiB : FileHandle.read', 'dax-read', 'FileHandle-read', 4 * KiB, { speed: 10 }),
  versus('writeSync+persist 4 KiB : libpmem', 'dax-writeSync-persist', 'libpmem', 4 * KiB, { time: 1.35 }),
  ...[64, 128, 1024, 4096].flatMap(appends),
  { name: 'log, appendMany of 100 records of 128 bytes', ours: { driver: 'log-appendMany', blockSize: 128, span: LOG }, wanted: { ns: 10_000 } },
  { name: 'log, positions and lengths of 10 000 records', ours: { driver: 'log-entries', blockSize: 128, span: LOG }, wanted: { ns: 1_000_000 } },
  { name: 'log, views of 10 000 records of 128 bytes', ours: { driver: 'log-records', blockSize: 128, span: LOG }, wanted: { ns: 3_333_000 } },
  { name: 'log, opening 16 GiB after a power cut', ours: { driver: 'log-open', blockSize: 128, span: MiB, fileSize: 16 * GiB }, wanted: { ns: 1e6 } },
  versus('writeSync+persist 64 KiB : libpmem', 'dax-writeSync-persist', 'libpmem', 64 * KiB, { time: 1.05 }),
  versus('writeSync+persist 1 MiB : libpmem', 'dax-writeSync-persist', 'libpmem', MiB, { time: 1.05 }),
  versus('writeSync+persist 16 MiB : libpmem', 'dax-writeSync-persist', 'libpmem', 16 * MiB, { time: 1.05 }),
  versus('writeSync 4 KiB : fs.writeSync+fdatasync', 'dax-writeSync', 'fs-writeSync-fdatasync', 4 * KiB),
  versus('blockDevice, readSync 4 KiB : the device', 'blockDevice-readSync', 'dax-readSync', 4 * KiB, { time: 1.5 }),
  versus('blockDevice, readSync 1 MiB : the device', 'blockDevice-readSync', 'dax-readSync', MiB, { time: 1.03 }),
  versus('striped, readSync 1 MiB : the device', 'striped-readSync', 'dax-readSync', MiB, { time: 1.1 }, 64 * MiB),
  { name: 'brd, first touch of a page', ours: side('brd-first-touch', 4 * KiB), wanted: { ns: 2000 } },
  versus('brd, look-up among 10 000 000 pages : 1000', 'page-lookup-10000000', 'page-lookup-1000', 4 * KiB, { time: 1.5 }),
  versus('daxDoIo 4 KiB : readSync of the device', 'daxDoIo-read', 'dax-readSync', 4 * KiB, { time: 1.5 }),
  versus('daxDoIo 4 KiB : fs.readSync', 'daxDoIo-read', 'fs-readSync', 4 * KiB, { speed: 1.5 }),
  versus('daxDoIo 1 MiB : readSync of the device', 'daxDoIo-read', 'dax-readSync', MiB, { time: 1.05 }),
  versus('daxDoIo of no bytes, 100 000 extents : one', 'daxDoIo-100000', 'daxDoIo-1', 4 * KiB, { time: 1.5 }),
  versus('extents.find, 100 000 extents : one', 'find-100000', 'find-1', 4 * KiB),
  versus('fault, extent known : the same in C', 'fault-each-page', 'userfault', 4 * KiB, { time: 1.5 }, 32 * MiB),
  { name: 'fault, extent known', ours: side('fault-each-page', 32 * MiB), wanted: { ns: 6000 } },
  versus('fault among 10 000 mappings : alone', 'fault-among-10000', 'fault-each-page', 4 * KiB, { time: 1.5 }, 32 * MiB),
  versus('first touch of 256 MiB : plain mmap in C', 'first-touch-mapping', 'first-touch', 4 * KiB, { time: 1.2 }, 256 * MiB),
  versus('load from a mapping : from a view', 'load-mapping', 'load-view', 4 * KiB, { time: 1.03 }, 64 * MiB),
  {
    name: 'ext2, random reads of 4 KiB : fs.readSync',
    ours: ext2('ext2-readSync-scattered', 4 * KiB, 64 * MiB),
    base: side('fs-readSync-scattered', 64 * MiB),
    wanted: { speed: 3 },
  },
  {
    name: 'ext2, write with allocation : the device',
    ours: ext2('ext2-write', MiB, 64 * MiB),
    base: { driver: 'dax-writeSync-persist', blockSize: MiB, span: 64 * MiB },
    wanted: { speed: 0.95 },
  },
  {
    name: 'ext2, rewrite : the device',
    ours: ext2('ext2-rewrite', MiB, 64 * MiB),
    base: { driver: 'dax-writeSync-persist', blockSize: MiB, span: 64 * MiB },
    wanted: { speed: 0.9 },
  },
  {
    name: 'ext2, create+write+close 4 KiB : fs on tmpfs',
    ours: ext2('ext2-files', 4 * KiB, 128 * MiB),
    base: side('fs-files', 4 * KiB),
    wanted: { speed: 0.5 },
  },
  facade('readFileSync 4 KiB', 'readFileSync', 1.5),
  {
    name: 'readFileSync 4 KiB by node:vfs : of the facade on ext2',
    ours: ext2('vfs-readFileSync', 4 * KiB, 4 * KiB),
    base: ext2('facade-readFileSync', 4 * KiB, 4 * KiB),
    wanted: { time: 1.5 },
  },
  facade('writeFileSync 4 KiB', 'writeFileSync', 1.5),
  facade('await readFile 4 KiB', 'readFile', 5),
  facade('statSync', 'statSync', 2),
  facade('readdirSync, 10 000 names', 'readdirSync', 1, 64 * MiB),
  facade('createReadStream, 256 MiB', 'createReadStream', 1.5, 256 * MiB),
  {
    name: 'ext2, lookup among 50 000 names : among 50',
    ours: ext2('ext2-lookup-50000', 4 * KiB, 16 * MiB),
    base: ext2('ext2-lookup-50', 4 * KiB, 16 * MiB),
    // A thousand times the names: what is allowed is that the processor's caches do not hold them.
    wanted: { time: 10 },
  },
  {
    name: 'ext2, mount of 64 GiB',
    ours: { driver: 'ext2-mount', blockSize: 4 * KiB, span: 4 * KiB, fileSize: 64 * GiB },
    wanted: { ns: 50e6 },
  },
  { name: 'famfs, stat by path : ext2', ours: famfs('famfs-stat', 4 * KiB, 4 * KiB), base: ext2('ext2-stat', 4 * KiB, 4 * KiB), wanted: { time: 1 } },
  { name: 'famfs, open and close by path : ext2', ours: famfs('famfs-open', 4 * KiB, 4 * KiB), base: ext2('ext2-open', 4 * KiB, 4 * KiB), wanted: { time: 1 } },
  {
    name: 'famfs, 64 MiB from a mapping of a striped file : of a plain one',
    ours: famfs('famfs-mapping-striped', MiB, 64 * MiB),
    base: famfs('famfs-mapping', MiB, 64 * MiB),
    wanted: { time: 1.05 },
  },
  versus('readSync 4 KiB : @riaskov/mmap-io', 'dax-readSync', 'mmap-io-read', 4 * KiB),
  versus('readSync 1 MiB : @riaskov/mmap-io', 'dax-readSync', 'mmap-io-read', MiB),
  versus('writeSync 4 KiB : @riaskov/mmap-io', 'dax-writeSync', 'mmap-io-write', 4 * KiB),
  { name: 'view 4 KiB of 1 MiB', ours: view(MiB), wanted: { ns: 60 } },
  { name: 'view 4 KiB of 1 GiB : of 1 MiB', ours: view(GiB), base: view(MiB), wanted: { time: 1.1 } },
  { name: 'view 4 KiB of 16 GiB : of 1 MiB', ours: view(16 * GiB), base: view(MiB), wanted: { time: 1.1 } },
  { name: 'view 4 KiB of 16 GiB', ours: view(16 * GiB), wanted: { ns: 60 } },
];
