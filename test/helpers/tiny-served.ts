// Owns the tutorial's filesystem as one that can be served: one directory, files without owners and without a mode of their own.

import { DaxFile, Inode, type BlockDevice, type DaxFileOptions } from 'node-dax';
import type { FuseDirent, FuseFilesystem, FuseStat } from 'node-dax/fuse';
import type { TinyFs } from '../../docs/examples/tiny-fs.js';

const BLOCK = 4096;
// The files have the numbers from 1 on.
const ROOT_INO = 1000;

class OpenTiny extends DaxFile {
  closeSync(): void {
    this.end();
  }
}

const textOf = (name: Uint8Array): string => Buffer.from(name).toString();

export function served(tiny: TinyFs, bdev: BlockDevice): FuseFilesystem<Inode> {
  const root = new Inode({ blockSize: BLOCK, bdev }, ROOT_INO, BLOCK);
  return {
    root,
    lookup: (_dir, name) => tiny.lookup(textOf(name))?.inode,
    stat(inode): FuseStat {
      const { ino, size } = inode;
      const ns = BigInt(Math.trunc(inode.mtimeMs)) * 1_000_000n;
      const own = { ino, size, blksize: BLOCK, blocks: Math.ceil(size / 512), uid: 0, gid: 0, atimeNs: ns, mtimeNs: ns, ctimeNs: ns };
      return inode === root ? { ...own, mode: 0o40755, nlink: 2 } : { ...own, mode: 0o100644, nlink: 1 };
    },
    *readdir(_dir, from): Generator<FuseDirent> {
      for (const [index, name] of tiny.names().entries()) {
        if (index >= from) yield { bytes: Buffer.from(name), ino: tiny.lookup(name)?.inode.ino ?? 0, type: 1, next: index + 1 };
      }
    },
    statfs() {
      const free = tiny.freeBlocks();
      return { blockSize: BLOCK, blocks: bdev.size / BLOCK, freeBlocks: free, availableBlocks: free, inodes: 64, freeInodes: 64 - tiny.names().length };
    },
    open: (inode, options: DaxFileOptions) => new OpenTiny(inode, tiny.operations, options),
    create: (_dir, name) => tiny.create(textOf(name)).inode,
    unlink: (_dir, name) => { tiny.unlink(textOf(name)); },
    setattr: () => undefined,
    operations: tiny.operations,
  };
}
