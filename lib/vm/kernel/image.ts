// Owns the image of a kernel: its version, and the form of it that boots fastest.

import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../host/cache.js';
import { decompress } from './decompress.js';

/** An image, its version, and its build options, the lines of its configuration. */
export interface KernelImage {
  readonly version: string;
  readonly image: string;
  /** Empty if the configuration is missing. */
  readonly config: ReadonlySet<string>;
}

/** The version in the header of a bzImage ("The Linux/x86 Boot Protocol", kernel_version); `undefined` for any other file, or one that may not be read. */
export function versionOf(path: string): string | undefined {
  const head = beginningOf(path, 65536);
  if (head.toString('latin1', 0x202, 0x206) !== 'HdrS') return undefined;
  const start = head.readUInt16LE(0x20e) + 0x200;
  return /^[^\s\0]+/.exec(head.toString('latin1', start, start + 256))?.[0];
}

/** The first bytes of a file, and zeros beyond its end. Of a file that may not be read they are all zeros. */
function beginningOf(path: string, length: number): Buffer {
  const head = Buffer.alloc(length);
  try {
    const fd = openSync(path, 'r');
    readSync(fd, head, 0, length, 0);
    closeSync(fd);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
  }
  return head;
}

/**
 * The path of an image to give to QEMU. Under emulation a kernel takes seconds to unpack itself. Its ELF file, unpacked once and
 * kept in the cache, starts at once through the PVH entry. Falls back to the image itself.
 */
export function fastImage(kernel: KernelImage): string {
  if (!kernel.config.has('CONFIG_PVH=y')) return kernel.image;
  const { mtimeMs, size } = statSync(kernel.image);
  const folder = join(cacheFolder(), 'vmlinux');
  const path = join(folder, `${kernel.version}-${size}-${Math.floor(mtimeMs)}`);
  if (existsSync(path)) return path;
  try {
    const vmlinux = decompress(payload(readFileSync(kernel.image)));
    if (vmlinux.readUInt32BE(0) !== 0x7f454c46) return kernel.image;
    mkdirSync(folder, { recursive: true });
    const partial = `${path}.${process.pid}`;
    writeFileSync(partial, vmlinux);
    renameSync(partial, path);
    return path;
  } catch {
    return kernel.image;
  }
}

/** The compressed kernel in a bzImage ("The Linux/x86 Boot Protocol", payload_offset), without the length at its end. */
function payload(bzImage: Buffer): Buffer {
  const setupSectors = bzImage.readUInt8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + bzImage.readUInt32LE(0x248);
  const length = bzImage.readUInt32LE(0x24c);
  return bzImage.subarray(start, start + length - 4);
}
