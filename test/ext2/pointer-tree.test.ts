// The tree of pointers of a file in memory: the block before another is found as by asking for each.

import t from 'tap';
import { EXT2_NDIR_BLOCKS } from '../../lib/ext2/format/disk.js';
import { PointerTree, type Step } from '../../lib/ext2/inode/pointer-tree.js';
import type { Super } from '../../lib/ext2/space/super.js';
import { seeded } from '../helpers/random.js';

const BLOCK = 1024;
const POINTERS = BLOCK / 4;
const MOST = 16;
// Where blocks of pointers begin and end, of each depth.
const EDGES = [0, EXT2_NDIR_BLOCKS, EXT2_NDIR_BLOCKS + POINTERS, EXT2_NDIR_BLOCKS + 2 * POINTERS, EXT2_NDIR_BLOCKS + POINTERS + POINTERS ** 2];

/** Puts a block at `iblock`, and what leads to it. Blocks of pointers lie at `next` and after. */
function put(tree: PointerTree, iblock: number, next: () => number): void {
  const depth = tree.depthOf(iblock);
  for (;;) {
    const path = tree.path(iblock);
    const { indirect, slots, index } = path.at(-1) as Step;
    const block = next();
    tree.set(indirect, slots, index, block);
    const level = depth + 1 - path.length;
    if (level === 0) return;
    tree.make(block, level, tree.baseOf(iblock, depth, level));
  }
}

t.test('the nearest block before another', (test) => {
  const random = seeded(test);
  const sb = { blockSize: BLOCK, checkData: () => undefined } as unknown as Super;
  let last = 0;
  for (let round = 0; round < 50; round++) {
    const tree = new PointerTree(sb, 12, Array.from({ length: 15 }, () => 0));
    for (let count = random.below(40); count > 0; count--) put(tree, Math.max(0, random.pick(EDGES) + random.below(60) - 30), () => ++last);
    for (const edge of EDGES) {
      for (let iblock = Math.max(0, edge - 40); iblock < edge + 40; iblock++) {
        const depth = tree.depthOf(iblock);
        const first = depth === 0 ? 0 : tree.baseOf(iblock, depth, 1);
        const least = Math.max(0, Math.min(iblock - 1, Math.max(first, iblock - MOST)));
        let expected: { iblock: number; block: number } | undefined;
        for (let back = iblock - 1; back >= least && expected === undefined; back--) {
          const { block } = tree.find(back, 1);
          if (block !== 0) expected = { iblock: back, block };
        }
        const found = tree.before(iblock, MOST);
        if (found?.iblock !== expected?.iblock || found?.block !== expected?.block) test.strictSame(found, expected, `before ${iblock}`);
      }
    }
  }
  test.ok(last > 0, `${last} blocks`);
  test.end();
});
