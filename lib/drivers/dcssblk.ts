// Owns the driver of segments of memory that several programs share, one after the other on one device, as dcssblk has them.

import { closeSync, copyFileSync, existsSync, fsyncSync, openSync as openFile, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { argumentError, checkOptions, DaxError, DriverDevice, openSync, PAGE_SIZE, type Bytes, type DaxDevice } from 'node-dax';
import { linearDriver } from './linear.js';

/**
 * What this program does with a segment: `exclusive` writes it and lets nobody else have it; `shared` writes it beside
 * others; `readOnly` reads what others have there: a store is `EROFS`, and one through a window stays in this process.
 */
export type SegmentAccess = 'exclusive' | 'shared' | 'readOnly';

/** A segment: a file of memory, which other processes map, too. */
export interface Segment {
  /** A file on a tmpfs, such as `/dev/shm/LIBS`, of a multiple of 4096 bytes. */
  path: string;
  access: SegmentAccess;
  /** Bytes of a segment that is made if it is not there. */
  size?: Bytes | undefined;
  /** Where it is kept while the machine is off: `save` writes this file, and a segment that is not there is made of it. */
  saved?: string | undefined;
}

const SEGMENT = { path: true, access: true, size: true, saved: true } as const;
const ACCESSES: readonly unknown[] = ['exclusive', 'shared', 'readOnly'];

// A file is there as a whole, and for good, or not at all.
function keep(from: string, to: string): void {
  const partial = join(dirname(to), `.node-dax-${process.pid}-${Date.now()}`);
  copyFileSync(from, partial);
  sync(partial);
  renameSync(partial, to);
  sync(dirname(to));
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
  if (saved !== undefined && !existsSync(path) && existsSync(saved)) keep(saved, path);
  const device = openSync(path, { readOnly: access === 'readOnly', lock: access === 'exclusive', size: access === 'readOnly' ? undefined : size });
  try {
    // Somebody may have it exclusively.
    if (access !== 'exclusive') device.lock('shared').release();
    if (device.size % PAGE_SIZE === 0) return device;
    const hint = `a segment must have a multiple of ${PAGE_SIZE} bytes, and it has ${device.size}`;
    throw new DaxError({ errno: 'EINVAL', syscall: 'open', path, hint });
  } catch (error) {
    device.closeSync();
    throw error;
  }
}

// All of them, or none.
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

/** Made by `dcssblk`. An answer is all that is left of its segment. */
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

  /** Makes what is in the segments durable: each that has `saved` is copied there, whole. Those who write it meanwhile must not. */
  save(): void {
    for (const { path, saved } of this.#segments) if (saved !== undefined) keep(path, saved);
  }
}

/**
 * Segments as one device, in their order. Closing it leaves them where they are, for others. Throws what `openSync` does: `EBUSY`
 * where another has one exclusively, or one that is wanted so is locked, as by a mount.
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
