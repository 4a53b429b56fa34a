// Owns what commands print of a file or directory of famfs, as text and as JSON.

import type { Famfs, FamfsInode } from 'node-dax/famfs';
import { modeInDigits, modeInLetters, typeInWords } from '../trees/mode.js';
import { inJson as nameInJson, shown } from '../trees/names.js';
import type { Line } from '../output.js';

/** The inodes in a directory, in the order of the log. */
export function* childrenOf(famfs: Famfs, dir: FamfsInode): Generator<FamfsInode> {
  for (const { name, bytes } of famfs.readdir(dir)) {
    const inode = name === '.' || name === '..' ? undefined : famfs.lookup(dir, bytes);
    if (inode !== undefined) yield inode;
  }
}

/** The inodes below a directory, each with its depth. */
export function* below(famfs: Famfs, dir: FamfsInode, depth = 0): Generator<{ inode: FamfsInode; depth: number }> {
  for (const inode of childrenOf(famfs, dir)) {
    yield { inode, depth };
    if (inode.isDirectory) yield* below(famfs, inode, depth + 1);
  }
}

export function inJson(famfs: Famfs, inode: FamfsInode): object {
  const { mode, uid, gid, size, blocks } = famfs.stat(inode);
  const { bytes, stripes, ino, entry } = inode;
  const told = entry === undefined ? {} : { size, blocks, stripes, chunk: entry.chunk, extents: entry.extents };
  return { ...nameInJson('path', bytes), ino, type: typeInWords(mode), mode: modeInDigits(mode), uid, gid, ...told };
}

export function inLetters(famfs: Famfs, inode: FamfsInode): string {
  const { mode, uid, gid, size } = famfs.stat(inode);
  return `${modeInLetters(mode)} ${String(uid).padStart(5)} ${String(gid).padStart(5)} ${String(size).padStart(12)}`;
}

export function inWords(famfs: Famfs, inode: FamfsInode): Line[] {
  const { mode, uid, gid, size, blocks } = famfs.stat(inode);
  const { entry, stripes } = inode;
  const places = (entry?.extents ?? []).map(({ offset, length }): Line => [`         ${length} bytes at ${offset}`]);
  const layout = entry === undefined ? [] : [[stripes > 0 ? ` Strips: ${stripes}, in chunks of ${entry.chunk} bytes` : ` Extents: ${places.length}`], ...places];
  return [
    [`  File: ${shown(inode.bytes)}`],
    [`  Size: ${size}  Blocks: ${blocks}  ${typeInWords(mode)}`],
    [`Access: (${modeInDigits(mode)}/${modeInLetters(mode)})  Uid: ${uid}  Gid: ${gid}  Entry: ${inode.ino - 2}`],
    ...layout,
  ];
}
