// Owns the check of directories: their entries, and that each directory has one name and is connected to the root.

import type { Census, CheckedDirectory } from './census.js';
import { CheckedIndex } from './check-index.js';
import { DIRENT, DIRENT_HEADER, direntLength, EXT2_ROOT_INO, FT } from '../format/disk.js';

interface Entry {
  readonly ino: number;
  readonly name: string;
  readonly type: number;
  /** Whether a NUL follows the name, as it must in the first two entries. */
  readonly isTerminated: boolean;
}

/** Checks all directories, and counts the names of each inode. */
export function checkDirectories(census: Census): void {
  for (const directory of census.directories.values()) checkDirectory(census, directory);
  checkTree(census);
}

function checkDirectory(census: Census, directory: CheckedDirectory): void {
  const { findings } = census;
  const { ino, blocks, length } = directory;
  const names = new Set<string>();
  const index = CheckedIndex.of(census, directory);
  let expected = 0;
  for (const { iblock, block } of blocks) {
    if (iblock > expected) findings.error(`has a hole at block ${expected}`, { ino });
    expected = iblock + 1;
    if (iblock >= length) break;
    const bytes = census.loadBlock(block);
    if (bytes === undefined) continue;
    const entries = entriesOf(census, directory, block, bytes);
    if (iblock === 0) checkFirst(census, directory, entries);
    index?.checkNames(iblock, entries.filter((entry) => entry.ino !== 0).map((entry) => entry.name));
    for (const [index, entry] of entries.entries()) {
      if (entry.ino !== 0) checkEntry(census, directory, entry, iblock === 0 && index < 2, names, block);
    }
  }
}

// The entries of a block, up to the first invalid one, which becomes a finding.
function entriesOf(census: Census, { ino }: CheckedDirectory, block: number, bytes: Uint8Array): Entry[] {
  const { findings, geometry } = census;
  const entries: Entry[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { hasFileType } = geometry;
  let hasType = false;
  for (let at = 0; at < bytes.length; ) {
    const isWhole = at + direntLength(1) <= bytes.length;
    const recLen = isWhole ? view.getUint16(at + DIRENT.rec_len[1], true) : 0;
    const fileType = isWhole ? view.getUint8(at + DIRENT.file_type[1]) : 0;
    const nameLength = isWhole ? view.getUint8(at + DIRENT.name_len[1]) : 0;
    if (recLen < direntLength(Math.max(1, nameLength)) || recLen % 4 !== 0 || at + recLen > bytes.length) {
      findings.error('has an entry that cannot be', { ino, block });
      return entries;
    }
    const start = at + DIRENT_HEADER;
    const name = text.toString('latin1', start, start + nameLength);
    const entryIno = view.getUint32(at, true);
    hasType ||= entryIno !== 0 && fileType !== FT.UNKNOWN;
    const isTerminated = text[start + nameLength] === 0;
    entries.push({ ino: entryIno, name, isTerminated, type: hasFileType ? fileType : FT.UNKNOWN });
    at += recLen;
  }
  // Types that remained when the feature was removed; they have no effect.
  if (hasType && !hasFileType) findings.add('count', 'has types of entries, and the feature filetype is not there', { ino, block });
  return entries;
}

function checkFirst({ findings }: Census, directory: CheckedDirectory, [self, up]: readonly Entry[]): void {
  const { ino } = directory;
  if (self?.name !== '.' || self.ino !== ino || !self.isTerminated) findings.error("does not begin with '.'", { ino });
  if (up?.name !== '..' || up.ino === 0 || !up.isTerminated) findings.error("has no '..'", { ino });
  else directory.up = up.ino;
}

function checkEntry(
  census: Census,
  directory: CheckedDirectory,
  { ino, name, type }: Entry,
  isFirst: boolean,
  names: Set<string>,
  block: number,
): void {
  const { findings, geometry } = census;
  const place = { ino: directory.ino, block };
  const shown = () => JSON.stringify(Buffer.from(name, 'latin1').toString());
  const isDots = name === '.' || name === '..';
  if (name === '' || name.includes('/') || name.includes('\0')) findings.error(`has an entry of the name ${shown()}`, place);
  if (isDots && !isFirst) findings.error(`has another ${shown()}`, place);
  if (names.has(name)) findings.error(`has ${shown()} twice`, place);
  names.add(name);
  if ((ino < geometry.firstIno && ino !== EXT2_ROOT_INO) || ino > geometry.inodesCount) {
    findings.error(`has ${shown()} for inode ${ino}, which is for no entry`, place);
    return;
  }
  if (!census.isUsed(ino)) {
    findings.error(`has ${shown()} for inode ${ino}, which is not in use`, place);
    return;
  }
  census.name(ino);
  // An implementation that does not know types may have made the entry.
  if (type !== FT.UNKNOWN && type !== census.typeOf(ino)) {
    findings.error(`has ${shown()} with type ${type} for inode ${ino}, whose type is ${census.typeOf(ino)}`, place);
  }
  if (isDots) return;
  if (ino === EXT2_ROOT_INO) findings.error(`has ${shown()} for the root`, place);
  else census.directories.get(ino)?.parents.push(directory.ino);
}

function checkTree(census: Census): void {
  const { directories, findings } = census;
  const connected = new Set<number>([EXT2_ROOT_INO]);
  for (const directory of directories.values()) {
    const { ino, up, parents } = directory;
    checkConnected(census, directory, connected);
    if (parents.length > 1) findings.add('leak', `is a directory with ${parents.length} names`, { ino });
    const mayBe = ino === EXT2_ROOT_INO ? [EXT2_ROOT_INO] : parents;
    if (up !== undefined && mayBe.length > 0 && !mayBe.includes(up)) {
      findings.error(`its '..' leads to inode ${up}, not ${mayBe.join(' or ')}`, { ino });
    }
  }
}

// Follows each directory's first name upwards. A path ends at a directory without a name; everything below such a directory is
// lost. A cycle is an error.
function checkConnected(census: Census, directory: CheckedDirectory, connected: Set<number>): void {
  const { directories, findings } = census;
  const path = new Set<number>();
  for (let ino = directory.ino; !connected.has(ino); ) {
    if (path.has(ino)) {
      findings.error('is a directory within itself', { ino });
      break;
    }
    path.add(ino);
    const parent = directories.get(ino)?.parents[0];
    // A directory without a name is reported by `checkLinks`.
    if (parent === undefined) break;
    ino = parent;
  }
  for (const ino of path) connected.add(ino);
}
