// Owns the crash test of ext2: a workload, a filesystem that it is done to, and everything that is asked of what is left.

import { mount, type Ext2, type Ext2File } from 'node-dax/ext2';
import { checkCrashes, type CrashReport, type Random, type RecordingDevice } from 'node-dax/testkit';
import type { E2fsckJudge } from './e2fsck.js';
import { applyTo, treeOf } from './ext2-tree.js';
import { chooseTreeOperation, type TreeLimits } from './random-tree.js';
import { describeOperation, TreeModel, type Tree, type TreeOperation } from './tree-model.js';
import { TreeHistory } from './tree-oracle.js';

export interface Ext2CrashOptions {
  /** A formatted device. */
  readonly image: Uint8Array;
  readonly setup?: readonly TreeOperation[];
  readonly operations: readonly TreeOperation[];
  /** Mounted so that what returns is durable; else what fsync and sync returned for. */
  readonly synchronous: boolean;
  readonly seed: number;
  readonly limits: TreeLimits;
  /** Contents that were met in other runs. */
  readonly seen: Set<number>;
  readonly judge: E2fsckJudge;
  /** Judges what is left after more operations and an unmount. */
  readonly afterwards: E2fsckJudge;
  /** Judges what is left after reclaiming and an unmount: it has nothing to complain of. */
  readonly reclaimed: E2fsckJudge;
}

const OWNER = { uid: 0, gid: 0 };
// How many operations are done to what a power cut left.
const MORE = 20;

/** The power goes in a run whose clock stands still but for a millisecond each time it is asked: so is every run the same. */
export async function withSteadyClock<T>(run: () => Promise<T>): Promise<T> {
  const { now } = Date;
  let clock = 1_700_000_000_000;
  Date.now = () => clock++;
  try {
    return await run();
  } finally {
    Date.now = now;
  }
}

function copyOf(fs: Ext2): Uint8Array {
  const content = new Uint8Array(fs.device.size);
  fs.device.readSync(content, 0);
  return content;
}

// What is seen of a filesystem is what more operations make of it.
async function goOn(fs: Ext2, random: Random, options: Ext2CrashOptions, name: string): Promise<void> {
  let found = treeOf(fs);
  const folders = [...found.values()].filter(({ kind }) => kind === 'directory').map(({ ino }) => ino);
  // A directory with both its names has everything twice, which no model of a tree has.
  const reclaims = random(16) === 0 || new Set(folders).size < folders.length;
  if (reclaims) {
    fs.reclaim();
    found = treeOf(fs);
  }
  const model = new TreeModel(found);
  const trees: Tree[] = [found];
  const done: TreeOperation[] = [];
  try {
    for (let i = 0; i < MORE; i++) {
      const operation = chooseTreeOperation(random, model, options.limits);
      done.push(operation);
      applyTo(fs, operation);
      model.apply(operation);
      trees.push(model.tree);
    }
    new TreeHistory(trees, done, true).check(treeOf(fs), MORE, false);
  } catch (error) {
    // The medium is small, and has leaks.
    if ((error as { code?: string }).code !== 'ENOSPC') {
      const list = done.map(describeOperation).join(', ');
      throw new Error(`later: ${String(error)}; ${reclaims ? 'reclaimed, then ' : ''}${list}`, { cause: error });
    }
  }
  fs.unmount();
  const label = `${name}, ${reclaims ? 'reclaimed, ' : ''}then ${done.map(describeOperation).join(', ')}`;
  // Not every one: that would take as long again.
  if (reclaims) await options.reclaimed.add(copyOf(fs), label);
  else if (random(32) === 0) await options.afterwards.add(copyOf(fs), label);
}

/** Files stay open for a while, so that what closing makes durable is not there too soon. */
class OpenFiles {
  readonly #files = new Map<number, Ext2File>();
  readonly #fs: Ext2;

  constructor(fs: Ext2) {
    this.#fs = fs;
  }

  apply(operation: TreeOperation, index: number): void {
    if (['write', 'truncate', 'punch'].includes(operation.kind) && 'path' in operation) {
      const inode = this.#fs.resolve(`/${operation.path}`, { follow: false });
      if (!this.#files.has(inode.ino)) this.#files.set(inode.ino, this.#fs.open(inode));
    }
    applyTo(this.#fs, operation);
    if (index % 7 !== 6) return;
    for (const file of this.#files.values()) file.closeSync();
    this.#files.clear();
  }
}

/** Runs it. */
export async function crashExt2(options: Ext2CrashOptions): Promise<CrashReport> {
  const { image, setup = [], operations, synchronous, seed, seen, judge } = options;
  const mountOptions = { synchronous, owner: OWNER, onWarning: () => undefined };
  const model = new TreeModel();
  for (const operation of setup) model.apply(operation);
  const trees = [model.tree];
  for (const operation of operations) {
    if (model.allows(operation)) model.apply(operation);
    trees.push(model.tree);
  }
  const history = new TreeHistory(trees, operations, synchronous);
  let files: OpenFiles;
  let name = '';
  return withSteadyClock(() =>
    checkCrashes<Ext2>(
      {
        size: image.byteLength,
        make(device: RecordingDevice) {
          device.writeSync(image, 0);
          const fs = mount(device, mountOptions);
          for (const operation of setup) applyTo(fs, operation);
          fs.sync();
          files = new OpenFiles(fs);
          return fs;
        },
        operations: operations.map((operation, index) => ({
          name: describeOperation(operation),
          run(fs) {
            const isAllowed = new TreeModel(treeOf(fs)).allows(operation);
            try {
              files.apply(operation, index);
            } catch (error) {
              if (isAllowed) throw error;
            }
          },
        })),
        mount: (device) => mount(device, mountOptions),
        check(fs, { completed, isUnderway }) {
          name = operations.slice(0, completed + 1).map(describeOperation).slice(-3).join(', ');
          history.check(treeOf(fs), completed, isUnderway);
        },
        goOn: (fs, random) => goOn(fs, random, options, name),
        judge: (content, describe) => judge.add(content, `${describe()}; seed ${seed}`),
      },
      { seed, seen, limit: 24, recoveryEvery: 50 },
    ),
  );
}
