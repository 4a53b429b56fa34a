// Owns what the suites of `node-dax ext2` do to images: make them, run commands on them, and have e2fsck judge them.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Test } from 'tap';
import { openSync } from 'node-dax';
import { mkfsSync } from 'node-dax/ext2';
import { cli, type Ran } from './cli.js';
import { scratchPath } from './devices.js';
import { e2fsck, e2fsprogsMissing } from './ext2-image.js';

const MIB = 1024 ** 2;

/** `node-dax ext2` with arguments. */
export function ext2(...args: string[]): Ran {
  return cli('ext2', ...args);
}

/** What a command prints that succeeds. */
export function fine(test: Test, ...args: string[]): string {
  const { status, stdout, stderr } = ext2(...args);
  test.strictSame({ status, stderr }, { status: 0, stderr: '' }, args.join(' '));
  return stdout;
}

/** A new image, to which debugfs did what it was told. */
export function makeImage(test: Test, requests: readonly string[] = [], size = 4 * MIB): string {
  const image = scratchPath(test, '/dev/shm');
  using device = openSync(image, { size });
  mkfsSync(device);
  if (requests.length > 0) debugfsDoes(image, requests);
  return image;
}

/** Has debugfs change an image. */
export function debugfsDoes(image: string, requests: readonly string[]): void {
  execFileSync('debugfs', ['-w', '-f', '-', image], { input: requests.join('\n'), stdio: ['pipe', 'ignore', 'ignore'] });
}

/** Has e2fsck judge an image, where it is installed. */
export function checkImage(test: Test, image: string): void {
  if (e2fsprogsMissing() === undefined) test.equal(e2fsck(readFileSync(image)), undefined, 'e2fsck finds nothing');
}
