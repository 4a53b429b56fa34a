// Owns the driver that joins segments of memory, which several programs share, into one device, as dcssblk does.

import { randomUUID } from 'node:crypto';
import { closeSync, copyFileSync, existsSync, fsyncSync, linkSync, openSync as openFile, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { argumentError, checkOptions, DaxError, DriverDevice, openSync, PAGE_SIZE, type Bytes, type DaxDevice } from 'node-dax';
import { linearDriver } from './linear.js';

/**
 * What this program may do with a segment. `exclusive`: it writes the segment, and `dcssblk` in other programs refuses to open the
 * segment from then on; programs that had it open before keep it. `shared`: it writes the segment, and other programs may too.
 * `readOnly`: it reads what others store; a write is `EROFS`, and a store through a window stays in this process.
 */
export type SegmentAccess = 'exclusive' | 'shared' | 'readOnly';

/** A segment: a file in memory that other processes map too. */
export interface Segment {
  /** A file on a tmpfs, such as `/dev/shm/LIBS`, of a multiple of 4096 bytes. */
  path: string;
  access: SegmentAccess;
  /** The size in bytes of a segment that does not exist and is made. */
  size?: Bytes | undefined;
  /**
   * A file that keeps the segment while the machine is off: `save` writes the file, and a segment that does not exist is made from
   * it.
   */
  saved?: string | undefined;
}

const SEGMENT = { path: true, access: true, size: true, saved: true } as const;
const ACCESSES: readonly unknown[] = ['exclusive', 'shared', 'readOnly'];

// Copies a file so that the copy is whole and durable, or not there at all. `place` gives the finished copy its name.
function keep(from: string, to: string, place: (partial: string, to: string) => void): void {
  const partial = join(dirname(to), `.node-dax-${randomUUID()}`);
  try {
    copyFileSync(from, partial);
    sync(partial);
    place(partial, to);
  } finally {
    rmSync(partial, { force: true });
  }
  sync(dirname(to));
}

// Several programs may make a segment at the same time: all have that of the first.
function linkUnlessThere(partial: string, to: string): void {
  try {
    linkSync(partial, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function sync(path: string): void {
  const fd = openFile(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function load({ path, access, size, saved }: Segment): DaxDevice {
  if (saved !== undefined && !existsSync(path) && existsSync(saved)) keep(saved, path, linkUnlessThere);
  const device = openSync(path, { readOnly: access === 'readOnly', lock: access === 'exclusive', size: access === 'readOnly' ? undefined : size });
  try {
    // Throws if another program has it exclusively.
    if (access !== 'exclusive') device.lock('shared').release();
    if (device.size % PAGE_SIZE === 0) return device;
    const hint = `a segment must have a multiple of ${PAGE_SIZE} bytes, and it has ${device.size}`;
    throw new DaxError({ errno: 'EINVAL', syscall: 'open', path, hint });
  } catch (error) {
    device.closeSync();
    throw error;
  }
}

// Opens all of the segments, or none.
function loadAll(segments: readonly Segment[]): DaxDevice[] {
  const loaded: DaxDevice[] = [];
  try {
    for (const segment of segments) loaded.push(load(segment));
    return loaded;
  } catch (error) {
    for (const device of loaded) device.closeSync();
    throw error;
  }
}

/** Made by `dcssblk`. An answer of `directAccess` reaches to the end of its segment. */
export class SegmentDisk extends DriverDevice {
  readonly #segments: readonly Segment[];

  /** @internal Use `dcssblk`. */
  constructor(segments: readonly Segment[], devices: readonly DaxDevice[]) {
    super({
      ...linearDriver(devices),
      release: () => {
        for (const device of devices) device.closeSync();
      },
    });
    this.#segments = segments;
  }

  /**
   * Copies each segment that has `saved` to that file, completely and durably. It works even after the disk is closed, because the
   * segments stay. No program may write to them meanwhile.
   */
  save(): void {
    for (const { path, saved } of this.#segments) if (saved !== undefined) keep(path, saved, renameSync);
  }
}

/**
 * The segments, in their order, as one device. Closing it leaves the segments in memory for other programs. Throws as `openSync`
 * does: `EBUSY` if another program has a segment exclusively, or if a segment to be opened exclusively is locked, as by a mount.
 */
export function dcssblk(segments: readonly Segment[]): SegmentDisk {
  for (const segment of segments) {
    checkOptions(segment, SEGMENT, 'a segment');
    if (!ACCESSES.includes(segment.access)) {
      throw argumentError('ERR_INVALID_ARG_VALUE', `access must be 'exclusive', 'shared' or 'readOnly', it is ${segment.access as string}`);
    }
  }
  return new SegmentDisk(segments, loadAll(segments));
}
