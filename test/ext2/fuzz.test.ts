// Sound images with random changes: every operation ends soon, with success or a DaxError, and stores nothing outside the
// filesystem.

import t from 'tap';
import { setImmediate } from 'node:timers/promises';
import { mount } from 'node-dax/ext2';
import { e2fsck, e2fsprogsMissing, ImageDevice, mke2fs, type ImageOptions } from '../helpers/ext2-image.js';
import { exercise } from '../helpers/ext2-exercise.js';
import { randomFrom, seeded, type Random } from '../helpers/random.js';
import { amount } from '../helpers/thorough.js';

// The long run has 100 000.
const IMAGES = Number(process.env['NODE_DAX_TEST_IMAGES'] ?? amount({ short: 100, thorough: 3000, long: 3000 }));
const MOST_LOADS = 300_000;

/** A small tree with one of everything. */
function sound(options: ImageOptions): Uint8Array {
  const device = new ImageDevice(mke2fs(options));
  const fs = mount(device, { owner: { uid: 0, gid: 0 } });
  const dir = fs.mkdir(fs.root, 'dir');
  const deep = fs.mkdir(fs.mkdir(dir, 'deep'), 'er');
  for (let i = 0; i < 12; i++) fs.create(dir, `file-${i}-${'n'.repeat(i * 9)}`);
  const file = fs.create(deep, 'file');
  {
    using handle = fs.open(file);
    // Direct blocks, and one of each level of pointers.
    for (const iblock of [0, 1, 5, 13, 300, 70_000]) handle.writeSync(Buffer.alloc(700, iblock), iblock * fs.blockSize);
  }
  fs.link(file, dir, 'hard');
  fs.symlink(dir, 'fast', '../dir');
  fs.symlink(dir, 'slow', `../${'./'.repeat(100)}dir`);
  fs.mknod(dir, 'null', 0o020666, { major: 1, minor: 3 });
  if (options.revision !== 0) {
    for (const inode of [file, dir]) fs.setxattr(inode, 'user.block', Buffer.alloc(200, 'v'));
    fs.setxattr(file, 'user.small', Buffer.from('value'));
  }
  fs.unmount();
  const complaint = e2fsck(device.content);
  if (complaint !== undefined) throw new Error(complaint);
  return device.content;
}

const KINDS: readonly ImageOptions[] = [
  { size: 256 * 1024, blockSize: 1024, inodeSize: 256, more: ['-N', '48'] },
  { size: 256 * 1024, blockSize: 1024, inodeSize: 128, more: ['-N', '48'], revision: 0 },
  { size: 512 * 1024, blockSize: 2048, inodeSize: 256, more: ['-N', '48'] },
  { size: 768 * 1024, blockSize: 4096, inodeSize: 128, more: ['-N', '48'] },
  { size: 640 * 1024, blockSize: 1024, inodeSize: 128, more: ['-N', '96', '-g', '256'] },
];

/** The blocks that have something in them: changing any other is no change. */
function usedBlocks(image: Uint8Array): number[] {
  const used = [];
  for (let block = 0; block * 1024 < image.length; block++) {
    if (image.subarray(block * 1024, block * 1024 + 1024).some((byte) => byte !== 0)) used.push(block);
  }
  return used;
}

// A number where numbers are: nothing, everything, one more, a block or inode that there is.
function mutate(image: Uint8Array, used: readonly number[], random: Random): void {
  const view = new DataView(image.buffer);
  const block = random.below(4) === 0 ? 1 : random.pick(used);
  const at = block * 1024 + random.below(block === 1 ? 90 : 256) * 4;
  switch (random.below(9)) {
    case 0:
      view.setUint32(at, 0, true);
      break;
    case 1:
      view.setUint32(at, 0xffffffff, true);
      break;
    case 2:
      view.setUint32(at, view.getUint32(at, true) + 1 - random.below(3), true);
      break;
    case 3:
      view.setUint32(at, random.pick(used), true);
      break;
    case 4:
      view.setUint32(at, random.below(64), true);
      break;
    case 5:
      view.setUint16(at + 2 * random.below(2), random.below(3) === 0 ? random.below(65536) : random.below(64) * 4, true);
      break;
    case 6:
      image[at + random.below(4)] = random.below(256);
      break;
    case 7:
      view.setUint32(at, 2 ** random.below(32), true);
      break;
    default:
      image.copyWithin(block * 1024, random.pick(used) * 1024, random.pick(used) * 1024 + 256);
  }
}

// What the superblock says that the filesystem has.
function limitOf(image: Uint8Array): number {
  const view = new DataView(image.buffer);
  return view.getUint32(1024 + 4, true) * 1024 * 2 ** Math.min(2, view.getUint32(1024 + 24, true));
}

t.test(`${IMAGES} changed images`, { skip: e2fsprogsMissing() ?? false, timeout: 3_600_000 }, async (t) => {
  const random = seeded(t);
  // Hundreds of errors for each image.
  Error.stackTraceLimit = 4;
  const bases = KINDS.map((kind) => {
    const image = sound(kind);
    return { image, used: usedBlocks(image) };
  });
  const outcomes = new Map<string, number>();
  for (let number = 0; number < IMAGES; number++) {
    // What a WeakRef was made of lives until the turn ends: a hundred images and not all.
    if (number % 100 === 0) await setImmediate();
    const seed = 1 + random.below(0xffffff);
    const own = randomFrom(seed);
    const { image, used } = own.pick(bases);
    const changed = new Uint8Array(image.length + 16_384);
    changed.set(image);
    for (let count = 1 + own.below(6); count > 0; count--) mutate(changed.subarray(0), used, own);
    const device = new ImageDevice(changed);
    device.limit = limitOf(changed);
    device.mostLoads = MOST_LOADS;
    try {
      for (const [outcome, count] of exercise(device)) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count);
    } catch (error) {
      t.fail(`seed ${seed}: ${String(error instanceof Error ? error.stack : error)}`);
    }
  }
  t.comment([...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(', '));
  // Few images have a superblock that names a feature which nobody has.
  for (const outcome of ['done', 'EUCLEAN', ...(IMAGES < 1000 ? [] : ['mount EUCLEAN', 'mount EINVAL', 'mount EOPNOTSUPP'])]) {
    t.ok((outcomes.get(outcome) ?? 0) > 0, `some ended with ${outcome}`);
  }
});
