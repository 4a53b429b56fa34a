// The kernel of this machine and this ext2 understand each other. The guest has other devices: see guest.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';

import { join } from 'node:path';
import t from 'tap';
import { openSync } from 'node-dax';
import { shm } from '../helpers/ext2-image.js';
import { interoperate, type Interop } from '../helpers/interop.js';
import { loopMountMissing } from '../helpers/kernel-mount.js';
import { seeded } from '../helpers/random.js';
import { amount } from '../helpers/thorough.js';

const MIB = 1024 * 1024;
const FILES = amount({ short: 200, thorough: 2000, long: 10_000 });

const KINDS: readonly Omit<Interop, 'source' | 'size'>[] = [
  { maker: 'mke2fs -d', blockSize: 4096, inodeSize: 256, files: FILES },
  { maker: 'the kernel', blockSize: 1024, inodeSize: 128, files: FILES / 20, type: 'ext4' },
  { maker: 'node-dax', blockSize: 2048, inodeSize: 256, files: FILES / 20 },
];

t.setTimeout(600_000);

const skip = loopMountMissing() ?? false;

for (const kind of KINDS) {
  t.test(`a tree of ${kind.files} files, made by ${kind.maker}, blocks of ${kind.blockSize}`, { skip }, (t) => {
    const home = mkdtempSync(join(shm, 'node-dax-interop-'));
    t.teardown(() => { rmSync(home, { recursive: true }); });
    const folder = join(home, 'reference');
    mkdirSync(folder);
    const source = join(home, 'image');
    const size = kind.files < 1000 ? 64 * MIB : 256 * MIB;
    openSync(source, { size }).closeSync();
    interoperate(t, { ...kind, source, size }, seeded(t), folder);
    t.end();
  });
}
