// Owns the replay of the log's entries, in order, into the tree and the space that is taken. It stops before the first bad entry
// and tries that entry again the next time, because it may not have reached the memory yet.

import { ADD_DAXDEV, ENTRY_SIZE, entryMemory, MKDIR, readEntry, unsound, type DeviceEntry, type Entry, type EntryMemory, type FileEntry } from '../format/entry.js';
import { describeDamage, fail, type Breach, type FamfsDamage } from '../format/error.js';
import { capacityOf, checkHeader, COUNTERS, COUNTERS_SIZE, HEADER_SIZE, positionOf, readCounters, type Counters } from '../format/log-header.js';
import { Space } from '../format/space.js';
import { LOG_OFFSET, type FamfsSuperblock } from '../format/superblock.js';
import type { Medium } from '../medium.js';
import { FamfsInode } from '../tree/node.js';
import type { Tree } from '../tree/tree.js';
import { checkExtents, checkPath, rangesOf } from './check-entry.js';

// Entries that are read, and kept, in one piece of memory.
const BATCH = 1024;
// How often the counters are read until they agree: a writer stores them one after the other.
const LOOKS = 3;
// Last names with which a path may be unclean.
const SUSPECT = new Set(['', '.', '..', '.meta']);

/** A skipped entry of an unknown type. */
export interface UnknownEntry {
  readonly entry: number;
  readonly type: number;
}

export class Replay {
  /** The number of entries that were replayed. */
  next = 0;
  /** What stops the replay, if anything does. */
  damage: FamfsDamage | undefined;
  /** The number of entries of unknown type; `firstUnknown` is the first of them. */
  unknownEntries = 0;
  firstUnknown: UnknownEntry | undefined;
  readonly devices: DeviceEntry[] = [];
  readonly capacity: number;
  readonly space: Space;
  readonly #medium: Medium;
  readonly #sb: FamfsSuperblock;
  readonly #tree: Tree;
  // The entries as they were checked: what the memory holds may change. A file's is decoded when somebody asks for the file.
  readonly #batches: EntryMemory[] = [];

  constructor(medium: Medium, sb: FamfsSuperblock, tree: Tree) {
    this.#medium = medium;
    this.#sb = sb;
    this.#tree = tree;
    this.capacity = capacityOf(sb.logLength);
    this.space = new Space(medium.size, sb.allocUnit, this.#start);
  }

  // Where files begin.
  get #start(): number {
    return LOG_OFFSET + this.#sb.logLength;
  }

  /** Throws `EUCLEAN` unless the header is that of this log. */
  checkHeader(syscall: string): void {
    const header = Buffer.alloc(HEADER_SIZE);
    this.#medium.read(header, LOG_OFFSET);
    checkHeader(header, this.#sb.logLength, syscall);
  }

  // The counters of entries, as the memory holds them now.
  #counters(): Counters {
    const bytes = Buffer.alloc(COUNTERS_SIZE);
    let found = { seqnum: 0, index: 0 };
    for (let look = 0; look < LOOKS; look++) {
      if (this.#medium.read(bytes, COUNTERS) < COUNTERS_SIZE) fail('EIO', 'famfs', 'the header of the log cannot be read');
      found = readCounters(bytes, 0);
      if (found.seqnum === found.index) break;
    }
    return found;
  }

  /**
   * Replays the entries that were appended since the last time, and adds the new files and directories to `made`. Throws `ESTALE` if
   * the log became shorter.
   */
  run(syscall: string, made?: FamfsInode[]): void {
    const { seqnum, index } = this.#counters();
    const count = Math.min(seqnum, index);
    if (count < this.next) fail('ESTALE', syscall, 'the log became shorter: somebody has made a new famfs here; mount it again');
    if (index > this.capacity) {
      this.damage = { entry: undefined, field: 'next_index', message: `it is ${index}, and the log has room for ${this.capacity}` };
      return;
    }
    let damage: FamfsDamage | undefined;
    while (this.next < count && damage === undefined) damage = this.#replayBatch(count, made);
    // Counters that differ by one are left by an append that a power cut ended between their stores: it did not take place, and the
    // next append corrects both.
    if (damage === undefined && Math.abs(seqnum - index) > 1) {
      damage = { entry: undefined, field: 'next_seqnum', message: `it is ${seqnum}, and next_index is ${index}` };
    }
    this.damage = damage;
  }

  /** The entry of a file that was replayed. */
  fileAt(index: number): FileEntry {
    return readEntry(this.#batchOf(index), (index % BATCH) * ENTRY_SIZE) as FileEntry;
  }

  #batchOf(index: number): EntryMemory {
    return (this.#batches[Math.floor(index / BATCH)] ??= entryMemory(Buffer.allocUnsafeSlow(BATCH * ENTRY_SIZE)));
  }

  // Replays entries up to before `count`, or to the end of the piece of memory that the next one is in.
  #replayBatch(count: number, made: FamfsInode[] | undefined): FamfsDamage | undefined {
    const first = this.next;
    const end = Math.min(count, (Math.floor(first / BATCH) + 1) * BATCH);
    const memory = this.#batchOf(first);
    const start = (first % BATCH) * ENTRY_SIZE;
    const read = this.#medium.read(memory.bytes.subarray(start, start + (end - first) * ENTRY_SIZE), positionOf(first));
    for (let index = first, at = start; index < end; index++, at += ENTRY_SIZE) {
      const breach = at + ENTRY_SIZE > start + read ? UNREADABLE : this.#replayAt(memory, at, index, made);
      if (breach !== undefined) return { entry: index, ...breach };
      this.next++;
    }
    return undefined;
  }

  #replayAt(memory: EntryMemory, at: number, index: number, made: FamfsInode[] | undefined): Breach | undefined {
    let field = unsound(memory, at, index);
    if (field !== undefined) {
      // The counters may have become visible before the entry did, so it is read again.
      this.#medium.read(memory.bytes.subarray(at, at + ENTRY_SIZE), positionOf(index));
      field = unsound(memory, at, index);
    }
    if (field === 'seqnum') return { field, message: `it is not ${index}` };
    if (field === 'crc') return { field, message: 'the checksum is not that of the entry' };
    return this.#replay(readEntry(memory, at), index, made);
  }

  #replay(entry: Entry, index: number, made: FamfsInode[] | undefined): Breach | undefined {
    // In version 47, the type number of a device has another meaning.
    if (entry.type === undefined || (entry.type === ADD_DAXDEV && this.#sb.version === 47)) {
      this.unknownEntries++;
      this.firstUnknown ??= { entry: index, type: entry.type ?? entry.number };
      return undefined;
    }
    if (entry.type === ADD_DAXDEV) return this.#addDevice(entry);
    const { path } = entry;
    if (path === undefined) return checkPath(path);
    const slash = path.lastIndexOf('/');
    const name = slash < 0 ? path : path.slice(slash + 1);
    const parent = this.#tree.directory(slash < 0 ? '' : path.slice(0, slash));
    // The path of a directory that is there was checked: its last name alone is new.
    const breach = parent === undefined || slash === 0 || SUSPECT.has(name) ? checkPath(path) : undefined;
    if (breach !== undefined) return breach;
    if (parent === undefined) return { field: 'path', message: 'no entry before it makes the directory that it is in' };
    const there = parent.children?.get(name);
    if (entry.type === MKDIR) {
      if (there !== undefined) return typeof there !== 'number' && there.isDirectory ? undefined : { field: 'path', message: 'a file has it already' };
      const directory = FamfsInode.directory(index, parent, name, entry);
      this.#tree.addDirectory(path, directory);
      made?.push(directory);
      return undefined;
    }
    const bad = this.#take(entry);
    // Of two entries with one path, the first counts. The bytes of the other are taken as well.
    if (bad !== undefined || there !== undefined) return bad;
    this.#tree.addFile(parent, name, index);
    if (made !== undefined) made.push(this.#tree.child(parent, name) as FamfsInode);
    return undefined;
  }

  // Takes the bytes of a file, whose extents must be sound.
  #take(entry: FileEntry): Breach | undefined {
    const breach = checkExtents(entry, this.space, this.#start);
    if (breach !== undefined) return breach;
    const { unit } = this.space;
    for (const { pos, length } of rangesOf(entry, unit)) this.space.take(pos / unit, length / unit);
    return undefined;
  }

  #addDevice(entry: DeviceEntry): Breach | undefined {
    if (entry.index !== this.devices.length + 1) return { field: 'index', message: `it is ${entry.index}, and ${this.devices.length + 1} is the next` };
    if (this.devices.some(({ uuid }) => uuid === entry.uuid)) return { field: 'uuid', message: 'a device has it already' };
    this.devices.push(entry);
    return undefined;
  }

  /** Throws `EUCLEAN` or `EOPNOTSUPP` if the log contains an entry that forbids adding to it. */
  checkSound(syscall: string): void {
    if (this.damage !== undefined) fail('EUCLEAN', syscall, `${describeDamage(this.damage)}: nothing may be added behind it`);
    if (this.firstUnknown === undefined) return;
    const { entry, type } = this.firstUnknown;
    fail('EOPNOTSUPP', syscall, `entry ${entry} of the log has type ${type}, which is not known: what it asks of a writer cannot be kept`);
  }
}

const UNREADABLE: Breach = { field: 'entry', message: 'a page that it lies on cannot be read' };
