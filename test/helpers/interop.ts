// Owns the test that the kernel and this ext2 understand each other: one makes a tree, both read it, each changes it in turn, and
// e2fsck finds no error in between.

import { execFileSync, spawnSync } from 'node:child_process';
import * as nodeFs from 'node:fs';
import type { Test } from 'tap';
import { openSync, partition } from 'node-dax';
import { mkfsSync, mount } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { withKernelMount, type KernelMountOptions } from './kernel-mount.js';
import type { Random } from './random.js';
import { describeTree, SharedTree, type Side } from './shared-tree.js';

export interface Interop extends KernelMountOptions {
  /** A device, or a file that has its size. */
  readonly source: string;
  /** Bytes of the filesystem, at the start of `source`. */
  readonly size: number;
  readonly blockSize: number;
  readonly inodeSize: number;
  /** Who makes the tree. */
  readonly maker: 'mke2fs -d' | 'the kernel' | 'node-dax';
  /** How many files the tree has. */
  readonly files: number;
  /** How often each side changes it: 3 times by default. */
  readonly rounds?: number;
}

type Reader = 'the kernel' | 'node-dax';

const MOST_CHANGES = 120;
const SECTOR = 512;

/** Calls `use` with what this ext2 shows of the filesystem. */
function withOurs<T>({ source, size }: Interop, readOnly: boolean, use: (side: Side) => T): T {
  const device = openSync(source, { readOnly });
  try {
    const warnings: string[] = [];
    const onWarning = (message: string) => warnings.push(message);
    const mounted = mount(partition(device, 0, size / SECTOR), { readOnly, owner: { uid: 0, gid: 0 }, onWarning });
    try {
      if (warnings.length > 0) throw new Error(warnings.join());
      return use({ fs: createFs(mounted, { umask: 0 }), root: '' });
    } finally {
      mounted.unmount();
    }
  } finally {
    device.closeSync();
  }
}

function format(interop: Interop, folder?: string): void {
  const { source, size, blockSize, inodeSize } = interop;
  const sizes = ['-b', blockSize, '-I', inodeSize, '-N', interop.files * 2 + 200].map(String);
  const more = folder === undefined ? [] : ['-d', folder];
  execFileSync('mke2fs', ['-q', '-F', '-t', 'ext2', ...sizes, ...more, source, `${size / 1024}k`], { stdio: 'pipe' });
}

function formatByUs({ source, size, blockSize, inodeSize, files }: Interop): void {
  const device = openSync(source);
  try {
    mkfsSync(partition(device, 0, size / SECTOR), { blockSize, inodeSize, inodes: files * 2 + 200, force: true });
  } finally {
    device.closeSync();
  }
}

/** Makes the tree, and lets each side change it in turn. `folder` is empty, and has room for the tree. */
export function interoperate(test: Test, interop: Interop, random: Random, folder: string): void {
  const { source, maker, files, options = [], rounds = 3 } = interop;
  const reference: Side = { fs: nodeFs, root: folder };
  const tree = new SharedTree(random);
  const changes = Math.min(MOST_CHANGES, Math.ceil(files / 2));
  const kernel = (change: (side: Side) => void) => { withKernelMount(source, interop, change); };
  const ours = (change: (side: Side) => void) => { withOurs(interop, false, change); };
  const check = (when: string, readers: readonly Reader[]) => {
    const { status, stdout } = spawnSync('e2fsck', ['-fn', source], { encoding: 'latin1' });
    test.equal(status, 0, `e2fsck finds nothing after ${when}${status === 0 ? '' : `: ${stdout}`}`);
    const expected = describeTree(reference);
    for (const reader of readers) {
      const found =
        reader === 'the kernel'
          ? withKernelMount(source, { ...interop, options: [...options, 'ro'] }, describeTree)
          : withOurs(interop, true, describeTree);
      compare(test, found, expected, `${reader} reads it after ${when}`);
    }
  };
  if (maker === 'mke2fs -d') {
    tree.make([reference], files);
    format(interop, folder);
  } else if (maker === 'the kernel') {
    format(interop);
    kernel((side) => { tree.make([reference, side], files); });
  } else {
    formatByUs(interop);
    ours((side) => { tree.make([reference, side], files); });
  }
  check(`${maker} made it`, ['the kernel', 'node-dax']);
  for (let round = 1; round <= rounds; round++) {
    kernel((side) => { tree.change([reference, side], changes); });
    check(`the kernel changed it, round ${round}`, ['node-dax']);
    ours((side) => { tree.change([reference, side], changes); });
    check(`node-dax changed it, round ${round}`, ['the kernel']);
  }
}

// The lines that differ, and not thousands that do not.
function compare(test: Test, found: readonly string[], expected: readonly string[], what: string): void {
  const [has, wants] = [new Set(found), new Set(expected)];
  const difference = [
    ...found.filter((line) => !wants.has(line)).map((line) => `+ ${line}`),
    ...expected.filter((line) => !has.has(line)).map((line) => `- ${line}`),
  ];
  test.equal(difference.slice(0, 10).join('\n'), '', `${what}: ${expected.length} names`);
}
