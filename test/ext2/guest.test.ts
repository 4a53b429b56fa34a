// The kernel of the guest and this ext2 understand each other, on the device itself: with DAX, through the page cache, and
// on a RAM disk.

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { shm } from '../helpers/ext2-image.js';
import { interoperate, type Interop } from '../helpers/interop.js';
import { seeded } from '../helpers/random.js';
import { THOROUGH } from '../helpers/thorough.js';

const MIB = 1024 * 1024;
// An emulated machine has the devices. What a tree can have is compared in `npm test`, on images.
const [FILES, ROUNDS] = THOROUGH ? [60, 3] : [24, 1];

const { NODE_DAX_TEST_PMEM: pmem, NODE_DAX_TEST_BRD: brd } = process.env;

type Kind = Pick<Interop, 'maker' | 'blockSize' | 'inodeSize' | 'type' | 'options'>;

const KINDS: readonly [what: string, source: string | undefined, kind: Kind][] = [
  ['-o dax on pmem', pmem, { maker: 'the kernel', blockSize: 4096, inodeSize: 256, options: ['dax'] }],
  ['pmem', pmem, { maker: 'mke2fs -d', blockSize: 4096, inodeSize: 128, type: 'ext4' }],
  ['a RAM disk', brd, { maker: 'node-dax', blockSize: 1024, inodeSize: 256 }],
];

t.setTimeout(600_000);

for (const [what, source, kind] of KINDS) {
  const skip = source === undefined ? 'only the guest has this device: npm run test:guest' : false;
  t.test(`${what}, made by ${kind.maker}`, { skip }, (t) => {
    const folder = mkdtempSync(join(shm, 'node-dax-interop-'));
    t.teardown(() => { rmSync(folder, { recursive: true }); });
    interoperate(t, { ...kind, source: source ?? '', size: 64 * MIB, files: FILES, rounds: ROUNDS }, seeded(t), folder);
    t.end();
  });
}
