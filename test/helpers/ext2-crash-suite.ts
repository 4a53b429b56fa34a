// Owns what the suites of crash tests have in common: random runs until enough images were seen, and what is shown of them.

import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Granularity } from 'node-dax';
import { formatCrashes, seeded, type CrashReport } from 'node-dax/testkit';
import { Ext2Crashes } from './ext2-crash.js';
import { mke2fs } from './ext2-image.js';
import { randomOperations } from './random-tree.js';
import { amount } from './thorough.js';
import { TreeModel } from './tree-model.js';

const SIZE = 256 * 1024;
const OPERATIONS = amount({ short: 12, thorough: 40, long: 60 });

/** Distinct images that the random runs of both suites look at together, at least one run of each kind; those of ACE are besides. */
export const CRASH_IMAGES = Number(process.env['NODE_DAX_TEST_IMAGES'] ?? amount({ short: 0, thorough: 2400, long: 8000 }));

/** What is formatted, and how it is mounted. */
export interface CrashKind {
  readonly blockSize: number;
  readonly inodeSize: number;
  readonly synchronous: boolean;
  readonly granularity?: Granularity;
}

export function crashImage({ blockSize, inodeSize }: CrashKind): Uint8Array {
  return mke2fs({ blockSize, inodeSize, size: SIZE, more: ['-N', '64'] });
}

/** Files of a few blocks, with some that have an indirect one. */
export function limitsOf({ blockSize }: CrashKind) {
  return { blockSize, largestWrite: 2000, blocks: blockSize === 1024 ? 16 : 4, attributes: true };
}

function keep(t: Test, image: Uint8Array): void {
  const path = join(tmpdir(), `node-dax-crash-${process.pid}.img`);
  writeFileSync(path, image);
  t.comment(`the first image in breach is ${path}`);
}

/** Shows a report; whether it is good. */
export function showCrashes(t: Test, report: CrashReport, what: string): boolean {
  if (report.failure !== undefined) keep(t, report.failure.image);
  return t.ok(report.ok, `${what}: ${formatCrashes(report)}`);
}

/** Waits for e2fsck, and shows what it said. */
export async function finishCrashes(t: Test, crashes: Ext2Crashes): Promise<void> {
  const { breaches, counts } = await crashes.finish();
  const [first] = breaches;
  if (first !== undefined) keep(t, first.image);
  t.strictSame(breaches.map(({ label, breaches: lines }) => ({ label, lines })), [], 'e2fsck');
  for (const line of counts) t.comment(line);
  t.comment(`${crashes.seen.size} images, ${crashes.recoveries} after a second power cut`);
}

/** Random runs on one kind after the other: each once, and on until there are `images` in all. */
export async function randomCrashes(t: Test, images: number, kinds: readonly CrashKind[]): Promise<void> {
  const base = Number(process.env['NODE_DAX_TEST_SEED'] ?? Date.now() % 1_000_000);
  const crashes = new Ext2Crashes();
  for (let run = 0; run < kinds.length || crashes.seen.size < images; run++) {
    const kind = kinds[run % kinds.length] as CrashKind;
    const { blockSize, inodeSize, synchronous, granularity } = kind;
    const seed = base + run;
    const limits = limitsOf(kind);
    const operations = randomOperations(seeded(seed), new TreeModel(), OPERATIONS, limits);
    const report = await crashes.run({ image: crashImage(kind), operations, limits, synchronous, granularity, seed });
    const what = `blocks of ${blockSize}, inodes of ${inodeSize}${synchronous ? ', synchronous' : ''}${granularity === 'page' ? ', by pages' : ''}`;
    if (!showCrashes(t, report, what)) break;
  }
  await finishCrashes(t, crashes);
}
