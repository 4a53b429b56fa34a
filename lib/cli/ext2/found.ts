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

/** Where a symbolic link leads to; undefined of what is none. */
export function targetOf({ fs }: MountedImage, inode: Ext2Inode): Uint8Array | undefined {
  return inode.isSymlink ? fs.readlink(inode) : undefined;
}

/** What an inode tells. */
export function lookInto(mounted: MountedImage, inode: Ext2Inode): Found {
  return { stat: mounted.fs.stat(inode, { nanoseconds: true }), target: targetOf(mounted, inode) };
}

/** What `look` finds out about one of several things: nothing, where it cannot be read, which is told. */
export function findOut<T>(look: () => T): T | undefined {
  return attempt(look, goOnAfter);
}

/** For JSON: nanoseconds in digits, because they are more than a number in JSON may have. */
export function foundInJson(found: Found | undefined): object {
  if (found === undefined) return {};
  const { mode, atimeNs, mtimeNs, ctimeNs, birthtimeNs, ...stat } = found.stat;
  const exact = { atimeNs: String(atimeNs), mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs), birthtimeNs: birthtimeNs?.toString() };
  const target = found.target !== undefined && inJson('target', found.target);
  return { ...target, type: typeInWords(mode), mode: modeInDigits(mode), ...stat, ...exact };
}
