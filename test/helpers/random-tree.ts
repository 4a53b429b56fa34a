// Owns random operations on a tree: few names, so they meet, and sizes at which a file's blocks are found in another way.

import type { Random } from 'node-dax/testkit';
import type { TreeModel, TreeOperation } from './tree-model.js';

const FOLDERS = ['', 'A', 'B', 'A/C', 'B/D'];
const NAMES = ['foo', 'bar', 'x', 'a-name-that-is-as-long-as-some-are'];

// One of each for every turn that it should have in a run.
const KINDS = [
  'create', 'create', 'create', 'mkdir', 'mkdir', 'symlink', 'link', 'link', 'unlink', 'unlink', 'rmdir',
  'rename', 'rename', 'rename', 'rename', 'write', 'write', 'write', 'truncate', 'truncate', 'punch', 'fsync', 'sync',
] as const;
const ATTRIBUTE_KINDS = ['setxattr', 'setxattr', 'setxattr', 'removexattr', 'removexattr'] as const;
const ATTRIBUTES = ['user.a', 'user.b', 'user.longer'];
// They fit in an inode, or a block of 1024 bytes has three of them; few values, so blocks are shared.
const VALUES = ['', 'v', 'value', 'x'.repeat(40), 'y'.repeat(250), 'z'.repeat(250)];

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[random(choices.length)] as T;
}

function anyPath(random: Random): string {
  const folder = pick(random, FOLDERS);
  return folder === '' ? pick(random, [...NAMES, 'A', 'B']) : `${folder}/${pick(random, [...NAMES, 'C', 'D'])}`;
}

/** How large files get. */
export interface TreeLimits {
  readonly blockSize: number;
  /** Bytes that one write has at most. */
  readonly largestWrite: number;
  /** The largest position, in blocks. */
  readonly blocks: number;
  /** Whether files get extended attributes. */
  readonly attributes?: boolean;
}

function choosePos(random: Random, { blockSize, blocks }: TreeLimits): number {
  const pos = random(blocks * blockSize);
  switch (random(5)) {
    case 0:
      return pos - (pos % blockSize);
    case 1:
      return pos;
    // The first blocks, and those around where the indirect block comes in.
    case 2:
      return (12 + random(2)) * blockSize - random(200);
    default:
      return random(3 * blockSize);
  }
}

function propose(random: Random, existing: (kind?: 'file') => string, limits: TreeLimits): TreeOperation {
  const kind = pick(random, limits.attributes === true ? [...KINDS, ...ATTRIBUTE_KINDS] : KINDS);
  switch (kind) {
    case 'create':
    case 'mkdir':
      return { kind, path: anyPath(random) };
    case 'unlink':
    case 'rmdir':
      return { kind, path: existing() };
    case 'fsync':
      return { kind, path: existing('file') };
    case 'symlink':
      return { kind, path: anyPath(random), target: 'x'.repeat(1 + random(random(2) === 0 ? 59 : 200)) };
    case 'link':
      return { kind, from: existing('file'), to: anyPath(random) };
    case 'rename':
      return { kind, from: existing(), to: random(3) === 0 ? existing() : anyPath(random) };
    case 'write': {
      const length = 1 + random(random(2) === 0 ? 100 : limits.largestWrite);
      const first = random(255);
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = 1 + ((first + i) % 255);
      return { kind, path: existing('file'), pos: choosePos(random, limits), bytes };
    }
    case 'truncate':
      return { kind, path: existing('file'), size: choosePos(random, limits) };
    case 'punch':
      return { kind, path: existing('file'), pos: choosePos(random, limits), length: 1 + random(3 * limits.blockSize) };
    case 'setxattr':
      return { kind, path: existing('file'), name: pick(random, ATTRIBUTES), value: pick(random, VALUES) };
    case 'removexattr':
      return { kind, path: existing('file'), name: pick(random, ATTRIBUTES) };
    case 'sync':
      return { kind };
  }
}

/** An operation that `model` allows. */
export function chooseTreeOperation(random: Random, model: TreeModel, limits: TreeLimits): TreeOperation {
  const existing = (kind?: 'file') => {
    const paths = [...model.tree].filter(([, found]) => kind === undefined || found.kind === kind).map(([path]) => path);
    return paths.length === 0 ? 'none' : pick(random, paths);
  };
  for (;;) {
    const operation = propose(random, existing, limits);
    if (model.allows(operation)) return operation;
  }
}

/** `count` operations on an empty tree, each allowed by what is there then. */
export function randomOperations(random: Random, model: TreeModel, count: number, limits: TreeLimits): TreeOperation[] {
  return Array.from({ length: count }, () => {
    const operation = chooseTreeOperation(random, model, limits);
    model.apply(operation);
    return operation;
  });
}
