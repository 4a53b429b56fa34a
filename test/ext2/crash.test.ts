// ext2 keeps its promises at a power cut: every image that a power cut may leave is mounted, walked, compared with what was
// acknowledged, used, and checked by e2fsck. Here with ACE's workloads and blocks of 1024 bytes; crash-blocks has the rest.

import { existsSync } from 'node:fs';
import t from 'tap';
import { mount } from 'node-dax/ext2';
import { ACE_CORPUS, aceWorkloads } from '../helpers/ace.js';
import { CRASH_IMAGES, crashImage, finishCrashes, limitsOf, randomCrashes, showCrashes } from '../helpers/ext2-crash-suite.js';
import { Ext2Crashes } from '../helpers/ext2-crash.js';
import type { TreeOperation } from '../helpers/tree-model.js';
import { sample } from '../helpers/thorough.js';
import { afterDebugfs, e2fsck, e2fsprogsMissing, ImageDevice, mke2fs } from '../helpers/ext2-image.js';

const missing = e2fsprogsMissing();
const noCorpus = existsSync(ACE_CORPUS) ? undefined : `${ACE_CORPUS} is not here`;

t.setTimeout(3_600_000);

t.test('what a power cut leaves of i_blocks and of blocks past the end is put right', { skip: missing ?? false }, (t) => {
  const base = mke2fs({ size: 256 * 1024 });
  const device = new ImageDevice(base);
  const fs = mount(device);
  const file = fs.open(fs.create(fs.root, 'f'));
  file.writeSync(Buffer.alloc(20_000, 'x'), 0);
  file.closeSync();
  fs.unmount();
  for (const blocks of [0, 2, 200]) {
    const image = afterDebugfs(device.content, [`sif f blocks ${blocks}`, 'sif f size 3000', 'ssv state 0']);
    t.match(e2fsck(image), /i_blocks is/);
    const after = new ImageDevice(image);
    const again = mount(after, { reclaim: true, onWarning: () => undefined });
    t.equal(again.stat(again.resolve('/f')).blocks, 6);
    again.unmount();
    t.equal(e2fsck(after.content), undefined, `i_blocks of ${blocks}`);
  }
  t.end();
});

t.test("ACE's workloads", { skip: missing ?? noCorpus ?? false }, async (t) => {
  const crashes = new Ext2Crashes();
  for (const [blockSize, inodeSize] of [[1024, 128], [4096, 256]] as const) {
    const kind = { blockSize, inodeSize, synchronous: true };
    const image = crashImage(kind);
    for (const { name, setup, operations } of sample(aceWorkloads(), 50)) {
      const report = await crashes.run({ ...kind, image, setup, operations, limits: limitsOf(kind), seed: 1 });
      showCrashes(t, report, `${name}, blocks of ${blockSize}`);
    }
  }
  await finishCrashes(t, crashes);
});

t.test('attributes that fill an inode and a block', { skip: missing ?? false }, async (t) => {
  const crashes = new Ext2Crashes();
  const set = (name: string, length: number, path = 'f'): TreeOperation => ({ kind: 'setxattr', path, name: `user.${name}`, value: name[0]?.repeat(length) ?? '' });
  const remove = (name: string, path = 'f'): TreeOperation => ({ kind: 'removexattr', path, name: `user.${name}` });
  const fill = [set('one', 8), set('two', 8), set('rest', 900)];
  const operations: TreeOperation[] = [
    // From the middle of the list in the inode, back into its place, from the end, and from the block.
    ...fill, remove('one'), set('one', 8), remove('two'), set('two', 8), remove('rest'), remove('one'), remove('two'),
    // A block that two files have, which one loses, and then the other.
    set('shared', 200), { kind: 'create', path: 'g' }, set('shared', 200, 'g'), remove('shared'), set('shared', 200), set('shared', 100, 'g'),
    { kind: 'unlink', path: 'g' }, { kind: 'unlink', path: 'f' },
  ];
  for (const inodeSize of sample([256, 128], 2)) {
    const kind = { blockSize: 1024, inodeSize, synchronous: true };
    const most = inodeSize === 128 ? operations.slice(10) : operations;
    const setup: TreeOperation[] = [{ kind: 'create', path: 'f' }];
    const report = await crashes.run({ ...kind, image: crashImage(kind), setup, operations: most, limits: limitsOf(kind), seed: 1 });
    showCrashes(t, report, `inodes of ${inodeSize}`);
  }
  await finishCrashes(t, crashes);
});

t.test('names that are exchanged, and files that get a name late', { skip: missing ?? false }, async (t) => {
  const crashes = new Ext2Crashes();
  const exchange = (from: string, to: string): TreeOperation => ({ kind: 'exchange', from, to });
  const setup: TreeOperation[] = [
    { kind: 'mkdir', path: 'A' }, { kind: 'mkdir', path: 'B' }, { kind: 'mkdir', path: 'A/C' }, { kind: 'create', path: 'f' }, { kind: 'create', path: 'A/C/g' },
    { kind: 'write', path: 'f', pos: 0, bytes: Buffer.from('f') }, { kind: 'symlink', path: 'A/s', target: 'f' }, { kind: 'link', from: 'f', to: 'B/f' },
  ];
  const operations: TreeOperation[] = [
    exchange('f', 'A/C/g'), exchange('f', 'A/s'), exchange('A', 'B'), exchange('B/C', 'f'), exchange('f', 'A/f'), exchange('A', 'f'),
    { kind: 'tmpfile', path: 't' }, { kind: 'write', path: 't', pos: 5, bytes: Buffer.from('late') }, { kind: 'tmpfile', path: 'B/t' }, exchange('t', 'B/t'), { kind: 'unlink', path: 't' },
  ];
  for (const synchronous of sample([true, false], 2)) {
    const kind = { blockSize: 1024, inodeSize: 256, synchronous };
    const report = await crashes.run({ ...kind, image: crashImage(kind), setup, operations, limits: limitsOf(kind), seed: 1 });
    showCrashes(t, report, synchronous ? 'synchronous' : 'not synchronous');
  }
  await finishCrashes(t, crashes);
});

t.test('random operations', { skip: missing ?? false }, async (t) => {
  await randomCrashes(t, CRASH_IMAGES / 2, [
    { blockSize: 1024, inodeSize: 128, synchronous: true },
    { blockSize: 1024, inodeSize: 256, synchronous: false },
    // As on an ordinary file, where one msync does for several stores.
    { blockSize: 1024, inodeSize: 256, synchronous: true, granularity: 'page' },
  ]);
});
