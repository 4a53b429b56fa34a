// Owns the file or device that is worked on: its facts, and if it does not exist, making it and removing it afterwards.

import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fdatasyncSync, mkdtempSync, openSync as openFile, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openSync } from 'node-dax';
import type { Target } from './drivers/driver.js';
import type { Subject } from './report/report.js';

/** Magic numbers of statfs(2), linux/magic.h. */
const FILESYSTEMS: Readonly<Record<number, string>> = {
  0x01021994: 'tmpfs',
  0xef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x794c7630: 'overlay',
  0x01021997: '9p',
  0x6969: 'nfs',
};

const FILL = 1024 * 1024;

/** The path to work on, and whether something exists there. */
export interface BenchPath {
  readonly path: string;
  readonly isTaken: boolean;
}

export interface Prepared {
  readonly subject: Subject;
  readonly target: Target;
  /** Removes the files that were made. */
  dispose(): void;
}

// Fills a file with content that no layer can compress or skip.
function fill(fd: number, size: number): void {
  const block = new Uint8Array(Math.min(FILL, size));
  let state = 1;
  for (let i = 0; i < block.length; i++) {
    state = (state * 48271) % 2147483647;
    block[i] = state % 256;
  }
  for (let pos = 0; pos < size; ) pos += writeSync(fd, block, 0, Math.min(block.length, size - pos), pos);
  fdatasyncSync(fd); // so that write-back does not run during the first trials
}

// Makes a file. Fails if it has appeared meanwhile, because it then belongs to another program.
function make(path: string, size: number): void {
  const fd = openFile(path, 'wx');
  try {
    fill(fd, size);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

function filesystemOf(path: string): string | undefined {
  if (!statSync(path).isFile()) return undefined;
  const magic = statfsSync(path).type;
  return FILESYSTEMS[magic] ?? `filesystem 0x${magic.toString(16)}`;
}

function describe({ path, isTaken }: BenchPath, force: boolean, withFiles: boolean): { subject: Subject; target: Target } {
  using device = openSync(path, { readOnly: true });
  const { kind, isDax, mapSync, granularity, numaNode, size } = device;
  const { persistenceDomain, flushInstruction } = device.facts;
  const filesystem = filesystemOf(path);
  const isFile = kind === 'file' || kind === 'fsdax';
  const folder = withFiles && isFile ? mkdtempSync(join(dirname(path), 'node-dax-bench-')) : undefined;
  return {
    subject: { path, kind, isDax, mapSync, granularity, persistenceDomain, flushInstruction, filesystem, numaNode, size },
    target: { path, kind, granularity, isDax, isMade: !isTaken, folder, force },
  };
}

/** The place at `path`, or under a new name in `path` if that is a directory. */
export function benchPath(path: string): BenchPath {
  if (!existsSync(path)) return { path, isTaken: false };
  if (!statSync(path).isDirectory()) return { path, isTaken: true };
  return { path: join(path, `node-dax-bench-${randomBytes(8).toString('hex')}`), isTaken: false };
}

/**
 * Prepares the device or file at `place`, which may be overwritten. If nothing exists there, makes a file of `size` bytes, and for
 * jobs on files (`withFiles`) also a folder beside it; `dispose` removes both. Throws the errors of making and opening: `EEXIST` if
 * something has appeared there meanwhile.
 */
export function prepare(place: BenchPath, size: number, force: boolean, withFiles: boolean): Prepared {
  const { path, isTaken } = place;
  if (!isTaken) make(path, size);
  const dispose = (): void => {
    if (!isTaken) rmSync(path, { force: true });
  };
  try {
    const found = describe(place, force, withFiles);
    const { folder } = found.target;
    return {
      ...found,
      dispose: () => {
        if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
        dispose();
      },
    };
  } catch (error) {
    dispose();
    throw error;
  }
}
