// Owns appending to the log: first space, then the contents, the entry, and last the counters that publish it, each in the memory
// before the next. A concurrent reader sees, and a power cut leaves, the log either from before or from after.

import { entryBytes, FILE, MKDIR, type DirectoryEntry, type FileEntry } from '../format/entry.js';
import { fail } from '../format/error.js';
import { COUNTERS, counterBytes, positionOf } from '../format/log-header.js';
import { LOG_OFFSET, UNIT, type FamfsSuperblock } from '../format/superblock.js';
import { Files } from '../files/file.js';
import { runsOf } from '../files/place.js';
import { lockMemory } from '../lock.js';
import type { Replay } from '../log/replay.js';
import type { Medium } from '../medium.js';
import { FamfsInode } from '../tree/node.js';
import type { Tree } from '../tree/tree.js';
import { allocate } from './allocate.js';
import type { NewDirectory, NewFile } from './new-entry.js';

const BLOCK = 4096;
// A flag that famfs always writes, and that has no effect.
const ALL_HOSTS_RW = 2;

/** What a master needs of a mounted famfs to change it. */
export interface Log {
  readonly medium: Medium;
  readonly superblock: FamfsSuperblock;
  readonly replay: Replay;
  readonly tree: Tree;
  /** Whether the log is locked against other processes meanwhile. */
  readonly isLocked: boolean;
  /** Replays what others have appended. Throws `ESTALE` if a new famfs was made. */
  catchUp(syscall: string): FamfsInode[];
}

/** Creates a directory and returns it. */
export function appendDirectory(log: Log, { path, mode, uid, gid }: NewDirectory): FamfsInode {
  return locked(log, 'mkdir', () => {
    checkPlace(log, path, 'mkdir');
    return publish(log, { type: MKDIR, path, mode, uid, gid }, 'mkdir');
  });
}

/** Creates a file with its contents, and returns it. */
export function appendFile(log: Log, { path, mode, uid, gid, size, stripes, chunk, fill }: NewFile): FamfsInode {
  return locked(log, 'create', () => {
    checkPlace(log, path, 'create');
    const { medium, superblock, replay } = log;
    const first = (LOG_OFFSET + superblock.logLength) / UNIT;
    const end = Math.floor(Math.min(superblock.deviceSize, medium.device.size) / UNIT);
    const layout = allocate(replay.space, first, end, { size, stripes, chunk });
    const entry: FileEntry = { type: FILE, path, mode, uid, gid, size, flags: ALL_HOSTS_RW, ...layout };
    fillContents(medium, entry, log.tree.root, fill);
    return publish(log, entry, 'create');
  });
}

// Other processes of this machine are locked out. Processes of other hosts are kept out only by the rule that there is one master.
function locked<T>(log: Log, syscall: string, work: () => T): T {
  const { medium, superblock, replay, isLocked } = log;
  const held = isLocked ? lockMemory(medium.device, 'exclusive', LOG_OFFSET, superblock.logLength, syscall) : undefined;
  try {
    log.catchUp(syscall);
    replay.checkSound(syscall);
    if (superblock.allocUnit !== UNIT) fail('EOPNOTSUPP', syscall, `its unit is ${superblock.allocUnit} bytes, with which famfs itself gives two files one place`);
    return work();
  } finally {
    held?.release();
  }
}

function checkPlace({ tree, replay }: Log, path: string, syscall: string): void {
  const name = Buffer.from(path, 'latin1').toString();
  const slash = path.lastIndexOf('/');
  const parent = slash < 0 ? tree.root : tree.at(path.slice(0, slash));
  if (parent === undefined) fail('ENOENT', syscall, `${name}: make the directory that it is in first`);
  else if (!parent.isDirectory) fail('ENOTDIR', syscall, name);
  if (tree.at(path) !== undefined) fail('EEXIST', syscall, `${name}: famfs takes no name away, so that it cannot be made anew`);
  if (replay.next >= replay.capacity) fail('ENOSPC', syscall, `the log is full: it has room for ${replay.capacity} entries, and nothing is ever removed from it`);
}

// Zeros the file first, up to the end of its last page, so it does not expose what was in the memory before. At the end, all of it
// is written back to the memory, including stores through mappings.
function fillContents(medium: Medium, entry: FileEntry, root: FamfsInode, fill: NewFile['fill']): void {
  const end = Math.ceil(entry.size / BLOCK) * BLOCK;
  for (const { pos, length } of runsOf(entry, 0, end)) {
    for (let done = 0; done < length; ) done += medium.device.zeroSync(pos + done, length - done);
  }
  if (fill !== undefined) {
    const files = new Files(medium, false);
    const file = files.openFile(FamfsInode.file(0, root, '', entry), {});
    try {
      fill(file);
      file.closeSync();
    } finally {
      files.end();
    }
  }
  for (const { pos, length } of runsOf(entry, 0, end)) medium.writeBack(pos, length);
}

function publish(log: Log, entry: FileEntry | DirectoryEntry, syscall: string): FamfsInode {
  const { medium, replay } = log;
  const index = replay.next;
  medium.publish(entryBytes(entry, index), positionOf(index));
  medium.publish(counterBytes(index + 1), COUNTERS);
  // Read back as every other host will read it.
  const made: FamfsInode[] = [];
  replay.run(syscall, made);
  return made.at(-1) ?? fail('EIO', syscall, 'the entry is not on the memory as it was written');
}
