// ext2 keeps its promises at a power cut: every image that one may leave is mounted, walked, held to what was
// acknowledged, used, and shown to e2fsck.

import { existsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { formatCrashes, seeded, type CrashReport } from 'node-dax/testkit';
import { ACE_CORPUS, aceWorkloads } from '../helpers/ace.js';
import { E2fsckJudge } from '../helpers/e2fsck.js';
import { crashExt2 } from '../helpers/ext2-crash.js';
import { e2fsprogsMissing, formatted } from '../helpers/ext2-image.js';
import { randomOperations } from '../helpers/random-tree.js';
import { TreeModel } from '../helpers/tree-model.js';

// Distinct contents that are looked at, in all.
const IMAGES = Number(process.env['NODE_DAX_TEST_IMAGES'] ?? 50_000);
const SIZE = 256 * 1024;

const missing = e2fsprogsMissing();
const seen = new Set<number>();
let recoveries = 0;

t.setTimeout(3_600_000);

function shape(blockSize: number, inodeSize: number): Uint8Array {
  return formatted({ blockSize, inodeSize, size: SIZE, more: ['-N', '64'] }).memory;
}

/** Judges what a run leaves. */
class Judges {
  readonly judge = new E2fsckJudge();
  readonly afterwards = new E2fsckJudge();
  readonly reclaimed = new E2fsckJudge(true);

  async finish(t: Test): Promise<void> {
    for (const [name, judge] of Object.entries(this)) {
      if (!(judge instanceof E2fsckJudge)) continue;
      await judge.finish();
      const counts = [...judge.counts].map(([kind, count]) => `${kind} ${count}`).join(', ');
      t.comment(`${name}: ${judge.judged} images; ${counts}`);
      t.strictSame(judge.breaches.map(({ label, breaches }) => ({ label, breaches })), [], name);
      const [first] = judge.breaches;
      if (first !== undefined) keep(t, first.image);
    }
  }
}

function keep(t: Test, image: Uint8Array): void {
  const path = join(tmpdir(), `node-dax-crash-${process.pid}.img`);
  writeFileSync(path, image);
  t.comment(`the first image in breach is ${path}`);
}

function passes(t: Test, report: CrashReport, what: string): boolean {
  recoveries += report.recoveries;
  if (report.failure !== undefined) keep(t, report.failure.image);
  return t.ok(report.ok, `${what}: ${formatCrashes(report)}`);
}

t.test("ACE's workloads", { skip: missing ?? (existsSync(ACE_CORPUS) ? false : `${ACE_CORPUS} is not here`) }, async (t) => {
  const judges = new Judges();
  const before = seen.size;
  for (const [blockSize, inodeSize] of [[1024, 128], [4096, 256]] as const) {
    const image = shape(blockSize, inodeSize);
    const limits = { blockSize, largestWrite: 2000, blocks: 14 };
    for (const { name, setup, operations } of aceWorkloads()) {
      const report = await crashExt2({ image, setup, operations, limits, synchronous: true, seed: 1, seen, ...judges });
      passes(t, report, `${name}, blocks of ${blockSize}`);
    }
  }
  await judges.finish(t);
  t.comment(`${seen.size - before} contents`);
});

t.test('random operations', { skip: missing ?? false }, async (t) => {
  const base = Number(process.env['NODE_DAX_TEST_SEED'] ?? Date.now() % 1_000_000);
  const judges = new Judges();
  const kinds = [[1024, 128, true], [2048, 256, false], [1024, 256, false], [4096, 128, true]] as const;
  for (let run = 0; seen.size < IMAGES; run++) {
    const [blockSize, inodeSize, synchronous] = kinds[run % kinds.length] ?? kinds[0];
    const seed = base + run;
    const limits = { blockSize, largestWrite: 2000, blocks: 16 };
    const operations = randomOperations(seeded(seed), new TreeModel(), 60, limits);
    const image = shape(blockSize, inodeSize);
    const report = await crashExt2({ image, operations, limits, synchronous, seed, seen, ...judges });
    if (!passes(t, report, `seed ${seed}, blocks of ${blockSize}, inodes of ${inodeSize}${synchronous ? ', synchronous' : ''}`)) break;
  }
  await judges.finish(t);
  const { user, system } = process.cpuUsage();
  t.comment(`${seen.size} contents, ${recoveries} of them after a second power cut; first seed ${base}`);
  t.comment(`${Math.round((user + system) / 1e6)} s of processor without e2fsck`);
});
