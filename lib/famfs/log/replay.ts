// Owns the replay of the log's entries, in order, into the tree and the space that is taken. It stops before the first bad entry
// and tries that entry again the next time, because it may not have reached the memory yet.

import { ADD_DAXDEV, ENTRY_SIZE, entryMemory, FILE, haveChecksums, MKDIR, pathOffset, readEntry, readPath, typeOf, unsound, type DeviceEntry, type EntryMemory, type FileEntry } from '../format/entry.js';
import { describeDamage, fail, type Breach, type FamfsDamage } from '../format/error.js';
import type { KeptEntries } from '../format/kept-entries.js';
import { capacityOf, checkHeader, COUNTERS, COUNTERS_SIZE, HEADER_SIZE, positionOf, readCounters, type Counters } from '../format/log-header.js';
import { Space } from '../format/space.js';
import { LOG_OFFSET, type FamfsSuperblock } from '../format/superblock.js';
import type { Medium } from '../medium.js';
import type { FamfsInode } from '../tree/node.js';
import { StoredPath } from '../tree/path.js';
import type { Tree } from '../tree/tree.js';
import { checkExtents, checkPath, rangesOf, takePlain } from './check-entry.js';

// The entries that are read at once. The memory for them is used again, because memory that a process has not touched yet costs more
// than to fill it.
const BATCH = 128;
// The entries whose checksums are checked together: one checksum of so many bytes finds every error of up to three bits.
const TOGETHER = 16;
// How often the counters are read until they agree: a writer stores them one after the other.
const LOOKS = 3;

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
  readonly #entries: KeptEntries;
  readonly #path = new StoredPath();
  readonly #memory = Buffer.allocUnsafeSlow(BATCH * ENTRY_SIZE);
  // The entries in that memory. An object for each place, not for each entry of the log.
  readonly #places: EntryMemory[] = [];

  constructor(medium: Medium, sb: FamfsSuperblock, entries: KeptEntries, tree: Tree) {
    this.#medium = medium;
    this.#sb = sb;
    this.#entries = entries;
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

  // Replays entries up to before `count`, as many as are read at once.
  #replayBatch(count: number, made: FamfsInode[] | undefined): FamfsDamage | undefined {
    const first = this.next;
    const end = Math.min(count, first + BATCH);
    const read = this.#medium.read(this.#memory.subarray(0, (end - first) * ENTRY_SIZE), positionOf(first));
    let isSummed = false;
    for (let index = first, place = 0; index < end; index++, place++) {
      const memory = (this.#places[place] ??= entryMemory(this.#memory, place * ENTRY_SIZE));
      if (place % TOGETHER === 0) {
        const group = this.#memory.subarray(place * ENTRY_SIZE, Math.min(read, (place + TOGETHER) * ENTRY_SIZE));
        isSummed = haveChecksums(group);
      }
      const breach = (place + 1) * ENTRY_SIZE > read ? UNREADABLE : this.#replay(memory, index, isSummed, made);
      if (breach !== undefined) return { entry: index, ...breach };
      this.next++;
    }
    return undefined;
  }

  #replay(memory: EntryMemory, index: number, isSummed: boolean, made: FamfsInode[] | undefined): Breach | undefined {
    let field = unsound(memory, index, isSummed);
    if (field !== undefined) {
      // The counters may have become visible before the entry did, so it is read again.
      this.#medium.read(memory.bytes, positionOf(index));
      field = unsound(memory, index);
    }
    if (field === 'seqnum') return { field, message: `it is not ${index}` };
    if (field === 'crc') return { field, message: 'the checksum is not that of the entry' };
    const type = typeOf(memory);
    if (type === FILE || type === MKDIR) return this.#add(memory, index, type, made);
    // In version 47, the type number of a device has another meaning.
    if (type === ADD_DAXDEV && this.#sb.version !== 47) return this.#addDevice(readEntry(memory) as DeviceEntry);
    this.unknownEntries++;
    this.firstUnknown ??= { entry: index, type };
    return undefined;
  }

  // Adds a file or directory.
  #add(memory: EntryMemory, index: number, type: typeof FILE | typeof MKDIR, made: FamfsInode[] | undefined): Breach | undefined {
    const path = this.#path;
    const start = pathOffset(type === MKDIR);
    path.read(memory.bytes, start);
    const breach = path.isPlain ? undefined : checkPath(readPath(memory.bytes, start));
    if (breach !== undefined) return breach;
    const { names } = this.#tree;
    const parent = names.findParent(path);
    if (parent === undefined) return { field: 'path', message: 'no entry before it makes the directory that it is in' };
    const there = names.findPath(path);
    if (type === MKDIR) {
      if (there !== 0) return names.isDirectory(there) ? undefined : { field: 'path', message: 'a file has it already' };
    } else {
      const bad = takePlain(memory.view, this.space, this.#start) ? undefined : this.#take(readEntry(memory) as FileEntry);
      // Of two entries with one path, the first counts. The bytes of the other are taken as well.
      if (bad !== undefined || there !== 0) return bad;
    }
    this.#entries.keep(index, memory, path.end);
    names.add(index, path, parent);
    made?.push(this.#tree.inode(index + 1));
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
