// Owns whether bytes stored on a device survive a power cut, as far as the kernel vouches for it.

import { realpathSync, statSync } from 'node:fs';
import { type BlockDevice, blockNamed, blockNumbered, diskOf, disksUnder } from './block.js';
import { devdaxNumbered } from './devdax.js'; // late
import { deviceNumber, type PathFacts, typeOf } from '../system/look.js';
import { type Mount, mountOf, MOUNTINFO, readMounts } from '../system/mounts.js';
import { domainUnder, pmemOf } from './pmem.js'; // late
import { always, never, type Persistence, persistenceOfDevdax, persistenceOfPmem, unknown } from './region-persistence.js';
import type { SystemTree } from '../system/system-tree.js';

/** Filesystems that are memory and nothing else. */
const IN_MEMORY: readonly string[] = ['tmpfs', 'ramfs', 'devtmpfs', 'hugetlbfs', 'rootfs'];

/** The persistence of the device or file at `path`; unknown if there is nothing at `path`, or something else. */
export function persistenceAt(tree: SystemTree, path: string): Persistence {
  try {
    const stat = statSync(path);
    const facts = { path, type: typeOf(stat), devno: deviceNumber(stat.dev), rdevno: deviceNumber(stat.rdev) };
    return persistenceOf(tree, { ...facts, realPath: realpathSync(path) });
  } catch {
    // For example, a file that has lost its name.
    return unknown('stat', path, 'the kernel does not tell where this is kept');
  }
}

/** The persistence of a path with the facts that stat gave. */
export function persistenceOf(tree: SystemTree, facts: Pick<PathFacts, 'path' | 'realPath' | 'type' | 'devno' | 'rdevno'>): Persistence {
  const { path, realPath, type, devno, rdevno } = facts;
  if (type === 'file' || type === 'directory') return persistenceOfFile(tree, realPath, devno);
  const devdax = type === 'char' ? devdaxNumbered(tree, rdevno) : undefined;
  if (devdax !== undefined) return persistenceOfDevdax(tree, devdax);
  const block = type === 'block' ? blockNumbered(tree, rdevno) : undefined;
  if (block !== undefined) return persistenceOfBlock(tree, block);
  return unknown('stat', path, 'no file and no device of memory');
}

/** The persistence of a file or directory at the path `realPath` of the filesystem `devno`. */
export function persistenceOfFile(tree: SystemTree, realPath: string, devno: string): Persistence {
  const mount = mountOf(readMounts(tree), realPath, devno);
  if (mount === undefined) return unknown(MOUNTINFO, 'absent', 'no mount of this process has the path');
  return persistenceOfMount(tree, mount);
}

export function persistenceOfMount(tree: SystemTree, { devno, source, mountpoint, fstype }: Mount): Persistence {
  // Some filesystems make up their device numbers (btrfs).
  const block = blockNumbered(tree, devno) ?? blockNamed(tree, source.replace(/^\/dev\//, '').replaceAll('/', '!'));
  if (block !== undefined) return persistenceOfBlock(tree, block);
  const value = `${mountpoint} ${fstype}`;
  if (IN_MEMORY.includes(fstype)) return never(MOUNTINFO, value, 'files in memory: lost when the machine stops');
  return unknown(MOUNTINFO, value, 'the kernel does not tell where this filesystem keeps its files');
}

/** The persistence of a block device, or of the filesystem on it: the worst of the disks under it. */
export function persistenceOfBlock(tree: SystemTree, block: BlockDevice): Persistence {
  const all = disksUnder(tree, block).map((disk) => ofDisk(tree, disk));
  const rank = ({ persistent }: Persistence): number => [false, undefined, true].indexOf(persistent);
  const worst = all.sort((a, b) => rank(a) - rank(b))[0] ?? ofDisk(tree, diskOf(tree, block));
  return { ...worst, domain: domainUnder(tree, block) };
}

function ofDisk(tree: SystemTree, disk: BlockDevice): Persistence {
  const pmem = pmemOf(tree, disk);
  if (pmem !== undefined) return persistenceOfPmem(pmem.region);
  const source = `/sys/block/${disk.name}`;
  if (/^z?ram\d/.test(disk.name)) return never(source, disk.name, 'a RAM disk: lost when the machine stops');
  const file = tree.text(`${disk.dir}/loop/backing_file`);
  if (file !== undefined) return ofLoop(tree, disk, file);
  if (disk.dax) return unknown(source, disk.name, 'memory of which the kernel does not tell what keeps it');
  return always(source, disk.name, 'a disk: fsync and msync write to it');
}

function ofLoop(tree: SystemTree, disk: BlockDevice, file: string): Persistence {
  const mount = mountOf(readMounts(tree), file, '');
  const block = mount && blockNumbered(tree, mount.devno);
  // A loop device cannot lie on a file of its own filesystem.
  if (block === undefined || block.dir === disk.dir) return persistenceOfFile(tree, file, '');
  return persistenceOfBlock(tree, block);
}
