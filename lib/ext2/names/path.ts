// Owns path resolution: from the root, name by name, through symbolic links.

import { checkDirectory } from './namei.js';
import { fail } from '../format/error.js';
import type { IncoreInode } from '../inode/inode.js';
import { checkEntryName, toByteName, type ByteName, type Name } from '../format/name.js';
import { readTarget } from '../inode/symlink.js'; // late
import type { Volume } from '../volume/volume.js';

const PATH_MAX = 4096;
const MOST_LINKS = 40;

/** A name, and the directory that has it or that it could be made in: a dentry, positive or negative. */
export interface Dentry {
  readonly dir: IncoreInode;
  readonly name: ByteName;
}

/** The state of a walk: the inode it has reached, and the rest of the path. */
interface Walk {
  at: IncoreInode;
  /** In reverse order. */
  readonly left: ByteName[];
  links: number;
  readonly syscall: string;
}

function partsOf(path: ByteName, syscall: string): ByteName[] {
  if (path === '') fail('ENOENT', syscall, 'the path is empty');
  if (path.length >= PATH_MAX) fail('ENAMETOOLONG', syscall, `a path has less than ${PATH_MAX} bytes`);
  if (path.includes('\0')) fail('EINVAL', syscall, 'a path has no NUL in it');
  const parts = path.split('/').filter((part) => part !== '');
  // A slash at the end asks for a directory.
  if (path.endsWith('/')) parts.push('.');
  return parts.reverse();
}

function begin(volume: Volume, path: ByteName, syscall: string): Walk {
  return { at: volume.inode(ROOT), left: partsOf(path, syscall), links: 0, syscall };
}

const ROOT = 2;

/** The inode that `name` refers to in `dir`, if any. */
export function lookup(volume: Volume, dir: IncoreInode, name: ByteName, syscall: string): IncoreInode | undefined {
  checkDirectory(dir, syscall);
  const entry = volume.directory(dir).find(name);
  return entry && volume.inode(entry.ino);
}

// Resolves one more name. A symbolic link is followed, at the end of the path only if `follow` is true.
function step(volume: Volume, walk: Walk, follow: boolean): void {
  const name = walk.left.pop() as ByteName;
  checkDirectory(walk.at, walk.syscall);
  if (name === '.') return;
  const next = lookup(volume, walk.at, checkEntryName(name, walk.syscall), walk.syscall);
  if (next === undefined) fail('ENOENT', walk.syscall, name);
  if (next.isSymlink && (follow || walk.left.length > 0)) followLink(volume, walk, next);
  else walk.at = next;
}

function followLink(volume: Volume, walk: Walk, link: IncoreInode): void {
  if (++walk.links > MOST_LINKS) fail('ELOOP', walk.syscall, `more than ${MOST_LINKS} symbolic links in one path`);
  const target = toByteName(readTarget(link));
  walk.left.push(...partsOf(target, walk.syscall));
  if (target.startsWith('/')) walk.at = volume.inode(ROOT);
}

/** The inode at a path. A symbolic link at its end is followed only if `follow` is true. */
export function resolve(volume: Volume, path: Name, follow: boolean, syscall: string): IncoreInode {
  return walkTo(volume, toByteName(path), follow, syscall);
}

function walkTo(volume: Volume, path: ByteName, follow: boolean, syscall: string): IncoreInode {
  const walk = begin(volume, path, syscall);
  while (walk.left.length > 0) step(volume, walk, follow);
  return walk.at;
}

/** The last name of a path, which need not exist, and the directory that contains it. */
export function resolveParent(volume: Volume, path: Name, syscall: string): Dentry {
  const whole = toByteName(path);
  const trimmed = whole.replace(/\/+$/, '');
  // The root has no name.
  if (trimmed === '' && whole !== '') return { dir: volume.inode(ROOT), name: '.' };
  const slash = trimmed.lastIndexOf('/');
  const name = checkEntryName(trimmed.slice(slash + 1), syscall);
  const dir = slash < 0 ? volume.inode(ROOT) : walkTo(volume, `${trimmed.slice(0, slash)}/`, true, syscall);
  checkDirectory(dir, syscall);
  return { dir, name };
}
