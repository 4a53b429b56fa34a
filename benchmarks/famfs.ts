// Compares what a new process has of famfs: its first mount of a full log, and the files that another process makes.

import { closeSync, ftruncateSync, openSync as openFile, rmSync } from 'node:fs';
import { join } from 'node:path';
import { mkfsFamfs } from 'node-dax/famfs';
import { entryBytes, FILE, MKDIR, SIMPLE, type FileEntry } from '../lib/famfs/format/entry.js';
import { capacityOf, counterBytes, COUNTERS, positionOf } from '../lib/famfs/format/log-header.js';
import { LOG_OFFSET, MIN_LOG_LENGTH, UNIT } from '../lib/famfs/format/superblock.js';
import { openSync } from '../src/index.js';
import { outputOf } from './child.js';
import { hostBeside } from './drivers/famfs.js';
import type { FamfsRequest } from './famfs-child.js';
import { compare, spread, type Comparison, type Result, type Wanted } from './result.js';

const TIMES = 16;
const IN_A_DIRECTORY = 500;
const OWNER = { uid: 0, gid: 0 };
const FILES = 200;

// A sparse file with a log of `logLength` bytes that has no room left: directories of 500 files, of one unit each.
function fullLog(path: string, logLength: number): FamfsRequest {
  const host = hostBeside(path);
  const capacity = capacityOf(logLength);
  make(path, LOG_OFFSET + logLength + capacity * UNIT);
  const device = openSync(path);
  mkfsFamfs(device, { ...host, logLength });
  let offset = LOG_OFFSET + logLength;
  for (let index = 0; index < capacity; index++) {
    const directory = `d${index - (index % IN_A_DIRECTORY)}`;
    const isFile = index % IN_A_DIRECTORY > 0;
    const entry = isFile ? fileEntry(`${directory}/f${index}`, offset) : ({ type: MKDIR, ...OWNER, mode: 0o755, path: directory } as const);
    device.writeSync(entryBytes(entry, index), positionOf(index), { flush: false });
    if (isFile) offset += UNIT;
  }
  device.writeSync(counterBytes(capacity), COUNTERS);
  device.closeSync();
  return { what: 'mount', path, ...host, files: 0, everyMs: 0 };
}

// A file of one unit at `offset`.
function fileEntry(path: string, offset: number): FileEntry {
  const extents = [{ device: 0, offset, length: UNIT }];
  return { type: FILE, ...OWNER, mode: 0o644, path, size: UNIT, flags: 2, extentType: SIMPLE, count: 1, chunk: 0, stripCount: 0, extents };
}

function make(path: string, size: number): void {
  const fd = openFile(path, 'w');
  ftruncateSync(fd, size);
  closeSync(fd);
}

function child<T>(request: FamfsRequest): Promise<T> {
  return outputOf<T>(process.execPath, [join(__dirname, 'famfs-child.js'), JSON.stringify(request)]);
}

async function mounts(target: string, folder: string, pairs: number, wanted: Wanted, times: number): Promise<Result> {
  const paths = [join(folder, 'famfs-log'), join(folder, 'famfs-log-large')] as const;
  try {
    const one = fullLog(paths[0], MIN_LOG_LENGTH);
    const many = times > 1 ? fullLog(paths[1], MIN_LOG_LENGTH * times) : undefined;
    const ours: number[] = [];
    const base: number[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      if (many !== undefined) ours.push(await child<number>(many));
      (many === undefined ? ours : base).push(await child<number>(one));
    }
    return compare(target, wanted, ours, many && base);
  } finally {
    for (const path of paths) rmSync(path, { force: true });
  }
}

// The figure of a trial is the median of its files.
async function followed(target: string, folder: string, pairs: number, wanted: Wanted, everyMs: number): Promise<Result> {
  const path = join(folder, 'famfs-followed');
  const host = hostBeside(path);
  const figures: number[] = [];
  try {
    for (let trial = 0; trial < pairs; trial++) {
      make(path, LOG_OFFSET + MIN_LOG_LENGTH + FILES * UNIT);
      const device = openSync(path);
      mkfsFamfs(device, { ...host, force: true });
      device.closeSync();
      figures.push(spread(await child<number[]>({ what: 'create', path, ...host, files: FILES, everyMs })).median);
    }
    return compare(target, wanted, figures);
  } finally {
    rmSync(path, { force: true });
  }
}

/** The comparisons of famfs that need processes of their own, each made `pairs` times with files in `folder`. */
export function ofFamfs(folder: string, pairs: number): readonly Comparison[] {
  const full = `famfs, the first mount of a process, ${capacityOf(MIN_LOG_LENGTH)} entries, processor time`;
  const large = `famfs, the first mount of a process, ${TIMES} times the log : ${capacityOf(MIN_LOG_LENGTH)} entries, processor time`;
  const follow = 'famfs, a file is followed after create has returned';
  return [
    { name: full, run: () => mounts(full, folder, pairs, { ns: 30e6 }, 1) },
    { name: large, run: () => mounts(large, folder, pairs, { time: TIMES }, TIMES) },
    { name: follow, run: () => followed(follow, folder, pairs, { ns: 1e6 }, 1) },
    { name: `${follow}, everyMs 0`, run: () => followed(`${follow}, everyMs 0`, folder, pairs, { ns: 1e6 }, 0) },
  ];
}
