// Owns what commands find out about an inode, and how JSON has it.

import type { Ext2Inode, Ext2Stat, Ext2Times } from 'node-dax/ext2';
import { attempt, goOnAfter } from '../trees/failures.js';
import type { MountedImage } from './image.js';
import { modeInDigits, typeInWords } from '../trees/mode.js';
import { inJson } from '../trees/names.js';

/** What an inode tells, and where it leads to if it is a symbolic link. */
export interface Found {
  readonly stat: Ext2Stat & Ext2Times;
  readonly target: Uint8Array | undefined;
}

/** What the inode at `path` tells. */
export function lookInto(mounted: MountedImage, path: Uint8Array, inode: Ext2Inode): Found {
  return mounted.at(path, () => ({
    stat: mounted.fs.stat(inode, { nanoseconds: true }),
    target: inode.isSymlink ? mounted.fs.readlink(inode) : undefined,
  }));
}

/** As `lookInto`, for one of several: nothing, where it cannot be read, which is told. */
export function findOut(mounted: MountedImage, path: Uint8Array, inode: () => Ext2Inode): Found | undefined {
  return attempt(() => lookInto(mounted, path, inode()), goOnAfter);
}

/** For JSON: nanoseconds in digits, because they are more than a number in JSON may have. */
export function foundInJson(found: Found | undefined): object {
  if (found === undefined) return {};
  const { mode, atimeNs, mtimeNs, ctimeNs, birthtimeNs, ...stat } = found.stat;
  const exact = { atimeNs: String(atimeNs), mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs), birthtimeNs: birthtimeNs?.toString() };
  const target = found.target !== undefined && inJson('target', found.target);
  return { ...target, type: typeInWords(mode), mode: modeInDigits(mode), ...stat, ...exact };
}
