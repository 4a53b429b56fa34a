// Owns contentOf(): it recognises what a device carries, by the table of signatures and by libblkid.

import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkMethods } from '../../argument-error.js';
import { type Answer, askLibblkid } from './libblkid.js'; // late
import { SIGNATURE_LENGTH, signatureOf } from './signatures.js';

/** What a device carries, as far as it is recognised. */
export interface DeviceContent {
  /** In words: `xfs`, `a partition table (gpt)`. Undefined if nothing is recognised, which does not prove that it is free. */
  signature: string | undefined;
  /** Why libblkid could not be asked, in which case fewer signatures are recognised. */
  unasked?: string;
}

/** The part of a `BlockDevice` that recognition needs. Sizes and positions are bytes. */
export interface Contents {
  readonly size: number;
  readSync(target: Uint8Array, pos: number): number;
  seekData?(pos: number, length: number): unknown;
}

type Readable = Pick<Contents, 'readSync' | 'seekData'>;

// libblkid looks no further: the second header of LUKS2 is at 4 MiB, RAID of Promise begins 1.6 MiB before the end.
const HEAD = 8 * 1024 ** 2;
const TAIL = 4 * 1024 ** 2;
const PIECE = 64 * 1024;

// The log of famfs outlives its superblock.
const FAMFS_LOG = { pos: 2 * 1024 ** 2, magic: Buffer.from('0df0fecaad0b0000', 'hex') };

/**
 * Recognises what `device` carries. Reads up to 12 MiB of the device, and writes nothing to it. It asks libblkid by running wipefs
 * on a sparse copy of both ends of the device, in the folder for temporary files; that takes some 20 ms. If util-linux is not
 * installed or the copy cannot be made, `unasked` says so. Throws what `device.readSync` throws for the first bytes.
 */
export function contentOf(device: Contents): DeviceContent {
  checkMethods(device, ['readSync'], 'device', 'a block device, such as open() gives');
  return contentBy(device, () => aboutCopy(device, device.size));
}

/** `contentOf` with another way to ask libblkid. */
export function contentBy(device: Readable, ask: () => Answer): DeviceContent {
  const first = new Uint8Array(SIGNATURE_LENGTH);
  const own = signatureOf(first.subarray(0, device.readSync(first, 0))) ?? famfsLog(device);
  if (own !== undefined) return { signature: own };
  const answer = ask();
  return 'unasked' in answer ? { signature: undefined, unasked: answer.unasked } : answer;
}

function famfsLog(device: Readable): string | undefined {
  const { pos, magic } = FAMFS_LOG;
  return piece(device, pos, magic.length)?.equals(magic) === true ? 'famfs' : undefined;
}

/** Reads a piece of the device; undefined if a page of it cannot be read, which libblkid skips as well. */
function piece(device: Readable, pos: number, length: number): Buffer | undefined {
  const bytes = Buffer.alloc(length);
  try {
    return bytes.subarray(0, device.readSync(bytes, pos));
  } catch {
    return undefined;
  }
}

function aboutCopy(device: Readable, size: number): Answer {
  let fd;
  try {
    fd = namelessFile();
    ftruncateSync(fd, size);
    const head = copy(device, fd, 0, Math.min(HEAD, size));
    const tail = copy(device, fd, Math.max(HEAD, size - TAIL), size);
    // No signature is of zeros alone, as a new image is.
    return head + tail === 0 ? { signature: undefined } : askLibblkid('', fd);
  } catch (error) {
    return { unasked: `no copy can be made for wipefs (${(error as Error).message}): only what node-dax knows by itself was looked for` };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Copies what is not zeros, and returns how many bytes that was. */
function copy(device: Readable, fd: number, from: number, to: number): number {
  const zeros = Buffer.alloc(PIECE);
  let copied = 0;
  for (let pos = from; pos < to; pos += PIECE) {
    const length = Math.min(PIECE, to - pos);
    // Skips holes, because reading a hole of a file on tmpfs allocates memory.
    if (device.seekData !== undefined && device.seekData(pos, length) === undefined) continue;
    const bytes = piece(device, pos, length) ?? zeros;
    if (bytes.equals(zeros.subarray(0, bytes.length))) continue;
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, pos + at);
    copied += bytes.length;
  }
  return copied;
}

// An open file without a name, which disappears with its descriptor, however this process ends.
function namelessFile(): number {
  const folder = mkdtempSync(join(tmpdir(), 'node-dax-'));
  try {
    return openSync(join(folder, 'copy'), 'wx+', 0o600);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
