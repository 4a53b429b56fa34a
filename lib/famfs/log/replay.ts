// Owns the replay of the log's entries, in order, into the tree and the space that is taken. It stops before the first bad entry
// and tries that entry again the next time, because it may not have reached the memory yet.

import { Batch, BATCH, ENTRY_WORDS, TYPE_WORD } from '../format/batch.js';
import { ADD_DAXDEV, ENTRY_SIZE, FILE, MKDIR, type DeviceEntry, type FileEntry } from '../format/entry.js';
import { describeDamage, fail, type Breach, type FamfsDamage } from '../format/error.js';
import type { KeptEntries } from '../format/kept-entries.js';
import { capacityOf, checkHeader, COUNTERS, COUNTERS_SIZE, HEADER_SIZE, positionOf, readCounters, type Counters } from '../format/log-header.js';
import { Space } from '../format/space.js';
import { LOG_OFFSET, type FamfsSuperblock } from '../format/superblock.js';
import type { Medium } from '../medium.js';
import type { FamfsInode } from '../tree/node.js';
import type { Tree } from '../tree/tree.js';
import { checkExtents, checkPath, isClean, rangesOf, takePlain } from './check-entry.js';

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
  readonly #batch = new Batch();
  // The bytes of it that were read.
  #length = 0;

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
    while (this.next < count && damage === undefined) {
      // The counters may have become visible before an entry did, so one that is bad is read again.
      const sound = this.#read(count) || this.#read(count);
      damage = sound === 0 ? this.#bad() : this.#add(sound, made);
    }
    // If the counters differ by one, a power cut interrupted an append between the stores to them: the append did not take place,
    // and the next one corrects both.
    if (damage === undefined && Math.abs(seqnum - index) > 1) {
      damage = { entry: undefined, field: 'next_seqnum', message: `it is ${seqnum}, and next_index is ${index}` };
    }
    this.damage = damage;
  }

  // Reads the next entries, up to before `count`, and returns how many of them are sound.
  #read(count: number): number {
    const bytes = this.#batch.bytes.subarray(0, Math.min(count - this.next, BATCH) * ENTRY_SIZE);
    this.#length = this.#medium.read(bytes, positionOf(this.next));
    return this.#batch.countSound(this.next, this.#length);
  }

  // What is wrong with the next entry, which was read and is not sound.
  #bad(): FamfsDamage {
    const field = this.#batch.wrongField(this.next, this.#length);
    const message = { entry: 'a page that it lies on cannot be read', seqnum: `it is not ${this.next}`, crc: 'the checksum is not that of the entry' }[field];
    return { entry: this.next, field, message };
  }

  // Adds what the next entries make, of which the first `sound` were read.
  #add(sound: number, made: FamfsInode[] | undefined): FamfsDamage | undefined {
    const { words } = this.#batch;
    for (let place = 0; place < sound; place++) {
      const type = words[place * ENTRY_WORDS + TYPE_WORD] as number;
      const breach = type === FILE || type === MKDIR ? this.#addNamed(place, type, made) : this.#addOther(place, type);
      if (breach !== undefined) return { entry: this.next, ...breach };
      this.next++;
    }
    return undefined;
  }

  // Adds a file or directory.
  #addNamed(place: number, type: typeof FILE | typeof MKDIR, made: FamfsInode[] | undefined): Breach | undefined {
    const batch = this.#batch;
    const path = batch.pathOf(place, type);
    if (path === undefined) return checkPath(path);
    const { names } = this.#tree;
    const slash = path.lastIndexOf('/');
    const parent = names.directory(slash < 0 ? '' : path.slice(0, slash));
    if (parent === undefined || !isClean(path, slash)) {
      const breach = checkPath(path);
      if (breach !== undefined) return breach;
    }
    if (parent === undefined) return { field: 'path', message: 'no entry before it makes the directory that it is in' };
    const isThere = names.find(path) !== undefined;
    if (type === MKDIR && isThere) return names.directory(path) === undefined ? { field: 'path', message: 'a file has it already' } : undefined;
    const index = this.next;
    const { words } = batch;
    const at = place * ENTRY_WORDS;
    if (type === MKDIR || takePlain(words, at, this.space, this.#start)) {
      if (!isThere) this.#entries.keep(index, words, at);
    } else {
      const entry = batch.decode(place) as FileEntry;
      const breach = this.#take(entry);
      if (breach !== undefined) return breach;
      if (!isThere) this.#entries.keepFile(index, entry);
    }
    // Of two entries with one path, the first counts. The bytes of the other are taken as well.
    if (isThere) return undefined;
    names.add(index, path, parent, type === MKDIR);
    made?.push(this.#tree.at(path) as FamfsInode);
    return undefined;
  }

  // Adds what has no name.
  #addOther(place: number, type: number): Breach | undefined {
    // In version 47, the type number of a device has another meaning.
    if (type === ADD_DAXDEV && this.#sb.version !== 47) return this.#addDevice(this.#batch.decode(place) as DeviceEntry);
    this.unknownEntries++;
    this.firstUnknown ??= { entry: this.next, type };
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
