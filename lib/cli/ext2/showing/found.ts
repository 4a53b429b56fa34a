// Owns what commands read from an inode, and its form in JSON.

import type { Ext2Inode, Ext2Stat, Ext2Times } from 'node-dax/ext2';
import { attempt, goOnAfter } from '../../trees/failures.js';
import type { MountedImage } from '../image/image.js';
import { modeInDigits, typeInWords } from '../../trees/mode.js';
import { inJson } from '../../trees/names.js';

/** The attributes of an inode, and the target of a symbolic link. */
export interface Found {
  readonly stat: Ext2Stat & Ext2Times;
  readonly target: Uint8Array | undefined;
}

/** The target of a symbolic link; undefined for other inodes. */
export function targetOf({ fs }: MountedImage, inode: Ext2Inode): Uint8Array | undefined {
  return inode.isSymlink ? fs.readlink(inode) : undefined;
}

/** Reads the attributes and the target of an inode. */
export function lookInto(mounted: MountedImage, inode: Ext2Inode): Found {
  return { stat: mounted.fs.stat(inode, { nanoseconds: true }), target: targetOf(mounted, inode) };
}

/** Calls `look` on one of several things. If it cannot be read, prints the error, goes on, and returns undefined. */
export function findOut<T>(look: () => T): T | undefined {
  return attempt(look, goOnAfter);
}

/** The form in JSON. Nanoseconds are strings of digits, because a number in JSON cannot hold them exactly. */
export function foundInJson(found: Found | undefined): object {
  if (found === undefined) return {};
  const { mode, atimeNs, mtimeNs, ctimeNs, birthtimeNs, ...stat } = found.stat;
  const exact = { atimeNs: String(atimeNs), mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs), birthtimeNs: birthtimeNs?.toString() };
  const target = found.target !== undefined && inJson('target', found.target);
  return { ...target, type: typeInWords(mode), mode: modeInDigits(mode), ...stat, ...exact };
}
