// Owns ext2 filesystems that the kernel mounts: whether it will, where, and that nothing stays mounted.

import { spawnSync } from 'node:child_process';
import * as nodeFs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { e2fsprogsMissing, mke2fs, withFile } from './ext2-image.js';
import type { Side } from './shared-tree.js';

export interface KernelMountOptions {
  /** Both are served by the driver of ext4, which minds other things for each. Default `ext2`. */
  readonly type?: 'ext2' | 'ext4';
  /** As `mount -o` takes them. */
  readonly options?: readonly string[];
}

/** An image that the kernel has mounted, until `unmount`. */
export interface KernelMount {
  readonly root: string;
  readonly unmount: () => void;
}

/** Has the kernel mount the filesystem on a device or, by a loop device, in a file. */
export function kernelMount(source: string, { type = 'ext2', options = [] }: KernelMountOptions = {}): KernelMount {
  const root = nodeFs.mkdtempSync(join(tmpdir(), 'node-dax-mount-'));
  try {
    const all = [...options, ...(nodeFs.statSync(source).isFile() ? ['loop'] : [])];
    run('mount', ['-t', type, ...(all.length > 0 ? ['-o', all.join()] : []), source, root]);
  } catch (error) {
    nodeFs.rmdirSync(root);
    throw error;
  }
  const unmount = (): void => {
    run('umount', [root]);
    nodeFs.rmdirSync(root);
  };
  return { root, unmount };
}

/** Calls `use` with what the kernel shows of the filesystem on a device or in a file. */
export function withKernelMount<T>(source: string, options: KernelMountOptions, use: (side: Side) => T): T {
  const { root, unmount } = kernelMount(source, options);
  try {
    return use({ fs: nodeFs, root });
  } finally {
    unmount();
  }
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
}

/** Why images in files cannot be mounted here, or undefined. */
export function loopMountMissing(): string | undefined {
  const missing = e2fsprogsMissing();
  if (missing !== undefined) return missing;
  const image = mke2fs({ size: 256 * 1024 });
  return withFile((path) => {
    nodeFs.writeFileSync(path, image);
    try {
      withKernelMount(path, {}, () => undefined);
      return undefined;
    } catch (error) {
      return `the kernel mounts no images here: ${String(error)}`;
    }
  });
}
