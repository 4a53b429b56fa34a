// Owns the crash test of ext2: a workload, a filesystem that it is done to, and everything that is asked of what is left.

import type { BlockDevice, Granularity } from 'node-dax';
import { mount, type Ext2, type Ext2File } from 'node-dax/ext2';
import { checkCrashes, type CrashReport, type CrashTest, type Random } from 'node-dax/testkit';
import { E2fsckJudge, type Judged } from './e2fsck.js';
import { applyTo, treeOf } from './ext2-tree.js';
import { chooseTreeOperation, type TreeLimits } from './random-tree.js';
import { amount } from './thorough.js';
import { describeOperation, TreeModel, type Tree, type TreeOperation } from './tree-model.js';
import { TreeHistory } from './tree-oracle.js';

interface Ext2CrashOptions {
  /** A formatted device. */
  readonly image: Uint8Array;
  readonly setup?: readonly TreeOperation[];
  readonly operations: readonly TreeOperation[];
  /** Mounted so that what returns is durable; else what fsync and sync returned for. */
  readonly synchronous: boolean;
  /** What the device says it needs, by which ext2 stores. Default: flushed cache lines. */
  readonly granularity?: Granularity | undefined;
  readonly seed: number;
  readonly limits: TreeLimits;
}

const OWNER = { uid: 0, gid: 0 };
// How many operations are done to what a power cut left.
const MORE = amount({ short: 8, thorough: 12, long: 20 });
// Images of each moment, of all that a power cut may leave of it.
const LIMIT = amount({ short: 2, thorough: 8, long: 24 });

// With a clock that goes on when it is asked: the same run gives the same images.
async function withSteadyClock<T>(run: () => Promise<T>): Promise<T> {
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

/** Files stay open for a while, so what closing makes durable is not there too soon. */
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

/** Crash tests of ext2 that belong together: a content that one has met is not judged again in another. */
export class Ext2Crashes {
  readonly seen = new Set<number>();
  recoveries = 0;
  // The findings after a power cut; those after more operations and an unmount; and those after reclaiming, of which there must be
  // none.
  readonly #found = new E2fsckJudge();
  readonly #used = new E2fsckJudge();
  readonly #reclaimed = new E2fsckJudge(true);

  async run(options: Ext2CrashOptions): Promise<CrashReport> {
    const { image, setup = [], operations, synchronous, granularity = 'cache_line', seed } = options;
    const mountIt = (device: BlockDevice) => {
      Object.defineProperty(device, 'granularity', { value: granularity });
      return mount(device, { synchronous, owner: OWNER, onWarning: () => undefined });
    };
    const model = new TreeModel();
    for (const operation of setup) model.apply(operation);
    const trees = [model.tree];
    const isAllowed = operations.map((operation) => {
      const allowed = model.allows(operation);
      if (allowed) model.apply(operation);
      trees.push(model.tree);
      return allowed;
    });
    const history = new TreeHistory(trees, operations, synchronous);
    let files: OpenFiles;
    let last = '';
    const test: CrashTest<Ext2> = {
      size: image.byteLength,
      make(device) {
        device.writeSync(image, 0);
        const fs = mountIt(device);
        for (const operation of setup) applyTo(fs, operation);
        fs.sync();
        files = new OpenFiles(fs);
        return fs;
      },
      operations: operations.map((operation, index) => ({
        name: describeOperation(operation),
        run() {
          try {
            files.apply(operation, index);
          } catch (error) {
            if (isAllowed[index] === true) throw error;
          }
        },
      })),
      mount: mountIt,
      check(fs, { completed, isUnderway }) {
        last = operations.slice(Math.max(0, completed - 2), completed + 1).map(describeOperation).join(', ');
        history.check(treeOf(fs), completed, isUnderway);
      },
      goOn: (fs, random) => this.#goOn(fs, random, options.limits, `seed ${seed}: ${last}`),
      judge: (content, describe) => this.#found.add(content, `seed ${seed}: ${describe()}`),
    };
    const { seen } = this;
    const report = await withSteadyClock(() => checkCrashes(test, { seed, seen, limit: LIMIT, recoveryEvery: 50 }));
    this.recoveries += report.recoveries;
    return report;
  }

  /** Waits for e2fsck. Returns what it must not have said, of which images, and how often it said what it may. */
  async finish(): Promise<{ breaches: Judged[]; counts: string[] }> {
    const judges = { found: this.#found, used: this.#used, reclaimed: this.#reclaimed };
    const breaches: Judged[] = [];
    const counts: string[] = [];
    for (const [name, judge] of Object.entries(judges)) {
      await judge.finish();
      breaches.push(...judge.breaches.map((judged) => ({ ...judged, label: `${name}, ${judged.label}` })));
      counts.push(`${name}: ${judge.judged} images; ${[...judge.counts].map(([kind, count]) => `${kind} ${count}`).join(', ')}`);
    }
    return { breaches, counts };
  }

  // Uses what a power cut left, and compares with a model that begins with what is seen of it.
  async #goOn(fs: Ext2, random: Random, limits: TreeLimits, name: string): Promise<void> {
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
    const describe = () => `${reclaims ? 'reclaimed, ' : ''}then ${done.map(describeOperation).join(', ')}`;
    try {
      for (let i = 0; i < MORE; i++) {
        const operation = chooseTreeOperation(random, model, limits);
        done.push(operation);
        applyTo(fs, operation);
        model.apply(operation);
        trees.push(model.tree);
      }
      new TreeHistory(trees, done, true).check(treeOf(fs), MORE, false);
    } catch (error) {
      // The medium is small, and has leaks.
      if ((error as { code?: string }).code !== 'ENOSPC') throw new Error(`${String(error)}; ${describe()}`, { cause: error });
    }
    fs.unmount();
    // Not every one: that would take as long again.
    const judge = reclaims ? this.#reclaimed : random(32) === 0 ? this.#used : undefined;
    await judge?.add(copyOf(fs), `${name}, ${describe()}`);
  }
}
