// Owns the exchange of two names. Both names exist at all times. During the exchange the first inode has a third name, which a
// power cut may leave behind.

import type { Directory, Dirent } from '../inode/dir.js';
import { fail } from '../format/error.js';
import type { ByteName } from '../format/name.js';
import type { IncoreInode } from '../inode/inode.js';
import type { Volume } from '../volume/volume.js';
import { addLink, checkFlags, checkLinks, dropLink, forOld, isDot, isWithin, now, setParent } from './namei.js';

/** A name that exists: its directory, its entry and its inode. */
interface Dentry {
  readonly dir: IncoreInode;
  readonly directory: Directory;
  readonly entry: Dirent;
  readonly inode: IncoreInode;
}

function dentryOf(volume: Volume, dir: IncoreInode, name: ByteName): Dentry {
  if (isDot(name)) fail('EINVAL', 'rename', 'a directory cannot be renamed by . or ..');
  const found = forOld(volume, dir, name, 'rename');
  const inode = volume.inode(found.entry.ino);
  return { dir, ...found, inode };
}

function check(volume: Volume, { inode, dir }: Dentry, other: Dentry): void {
  if (inode.isDirectory && isWithin(volume, other.dir, inode)) fail('EINVAL', 'rename', 'a directory cannot become part of itself');
  checkFlags(inode, 'rename');
  if (inode.isDirectory && !other.inode.isDirectory && dir !== other.dir) checkLinks(volume, other.dir, 'rename');
}

function unusedName(directory: Directory, { ino }: IncoreInode): ByteName {
  for (let number = 0; ; number++) {
    const name = `.exchange-${ino}-${number}`;
    if (directory.find(name) === undefined) return name;
  }
}

/** Exchanges what two names refer to, as renameat2(2) with RENAME_EXCHANGE does. */
export function exchange(volume: Volume, firstDir: IncoreInode, firstName: ByteName, secondDir: IncoreInode, secondName: ByteName): void {
  const first = dentryOf(volume, firstDir, firstName);
  const second = dentryOf(volume, secondDir, secondName);
  if (first.inode === second.inode) return;
  check(volume, first, second);
  check(volume, second, first);
  const spare = unusedName(first.directory, first.inode);
  first.directory.makeRoom(spare);
  const places = [[first, second], [second, first]] as const;
  const moved = firstDir === secondDir ? [] : places.filter(([{ inode }]) => inode.isDirectory);
  for (const [, to] of moved) addLink(volume, to.dir);
  for (const [{ inode }] of places) addLink(volume, inode);
  first.directory.add(spare, first.inode);
  first.directory.replace(first.entry, second.inode);
  second.directory.replace(second.entry, first.inode);
  for (const [{ inode }, to] of moved) setParent(volume, inode, to.dir);
  first.directory.remove(first.directory.find(spare) ?? fail('EUCLEAN', 'rename', `directory ${firstDir.ino} lost an entry`));
  for (const [{ inode }] of places) dropLink(volume, inode);
  for (const [from] of moved) dropLink(volume, from.dir);
  now(firstDir, volume);
  now(secondDir, volume);
}
