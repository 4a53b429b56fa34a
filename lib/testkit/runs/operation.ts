// Owns the operations of a random run: choosing them, writing them down, and doing them to a file and its model.

import { Failure } from '../failure.js';
import { FileMappings } from '../filesystem/file-mappings.js';
import { PAGE } from '../filesystem/probe.js';
import type { Random } from '../random.js';
import { bytesOf, contentOf, expectContent, type OpenFile, type Session } from '../filesystem/session.js';

/** One step. It does not depend on earlier steps, so any part of a sequence is a sequence. */
export interface Operation {
  readonly kind: Kind;
  readonly file: number;
  readonly pos: number;
  readonly length: number;
  /** Determines which bytes are written, and how vectors are split. */
  readonly fill: number;
}

const KINDS = [
  'write',
  'write',
  'write',
  'writev',
  'append',
  'read',
  'read',
  'readv',
  'truncate',
  'truncate',
  'extend',
  'punch',
  'zero',
  'mapread',
  'mapwrite',
  'mapwrite',
  'mappast',
  'recreate',
  'fsync',
  'remount',
] as const;
type Kind = (typeof KINDS)[number];

/** Chooses an offset where mistakes are likely: at a block or a page boundary, or next to one. */
function choosePos(random: Random, limit: number): number {
  const pos = random(limit);
  switch (random(4)) {
    case 0:
      return pos - (pos % 512);
    case 1:
      return pos - (pos % 4096);
    case 2:
      return Math.max(0, pos - (pos % 4096) - 1);
    default:
      return pos;
  }
}

export function chooseOperation(random: Random, files: number, limit: number): Operation {
  const kind = KINDS[random(KINDS.length)] as Kind;
  const pos = choosePos(random, limit);
  const length = 1 + (random(3) === 0 ? random(limit - pos) : random(Math.min(limit - pos, 9000)));
  return { kind, file: random(files), pos, length, fill: random(1000) };
}

const LETTERS = 'abcdefgh';

export function describe({ kind, file, pos, length }: Operation): string {
  const name = LETTERS[file] ?? '?';
  if (kind === 'remount') return 'fsync all, cut the power, mount';
  if (kind === 'recreate' || kind === 'fsync') return `${kind} ${name}`;
  if (kind === 'truncate') return `truncate ${name} to ${pos}`;
  if (kind === 'extend') return `extend ${name} by ${length}`;
  if (kind === 'append') return `append ${length} to ${name}`;
  if (kind === 'mapread') return `map ${name} to read`;
  if (kind === 'mapwrite') return `store ${length} at ${pos} of ${name} through a mapping`;
  if (kind === 'mappast') return `store past the end of ${name} through a mapping`;
  return `${kind} ${length} at ${pos} of ${name}`;
}

/** A file and the content that it should have. */
export interface Modelled {
  open: OpenFile;
  model: Uint8Array;
  mappings: FileMappings;
  /** Whether something was stored past the end, which a mapping may show until the size is set. */
  hasTail: boolean;
}

/** The filesystem and its files. A remount replaces them. */
export interface Stage {
  session: Session;
  readonly files: Modelled[];
  /** Whether files can be mapped. */
  readonly canMap: boolean;
}

function modelled(session: Session, open: OpenFile): Modelled {
  return { open, model: new Uint8Array(0), mappings: new FileMappings(session, open), hasTail: false };
}

export function beginStage(session: Session, files: number, canMap: boolean): Stage {
  const open = (_: unknown, index: number) => modelled(session, session.create(LETTERS[index] ?? '?'));
  return { session, files: Array.from({ length: files }, open), canMap };
}

export function endStage({ session, files }: Stage): void {
  for (const { mappings } of files) mappings.unmap();
  session.end();
}

// Splits `bytes` into three pieces, some of which may be empty.
function split(bytes: Uint8Array, fill: number): Uint8Array[] {
  const a = (fill * 7) % (bytes.byteLength + 1);
  const b = a + ((fill * 13) % (bytes.byteLength - a + 1));
  return [bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b)];
}

function resized(model: Uint8Array, size: number): Uint8Array {
  const content = new Uint8Array(size);
  content.set(model.subarray(0, size));
  return content;
}

function moved(bytes: number, length: number): void {
  if (bytes !== length) throw new Failure('fsx', `${bytes} bytes were moved instead of ${length}`);
}

function remount(stage: Stage): void {
  for (const { open, mappings } of stage.files) {
    open.file.fsync();
    mappings.unmap();
  }
  const before = stage.session;
  stage.session = before.afterPowerCut();
  before.end();
  for (const modelled of stage.files) {
    modelled.open = stage.session.find(modelled.open.name);
    modelled.mappings = new FileMappings(stage.session, modelled.open);
  }
}

// Stores from the end of the file to the end of its last page: bytes that must never appear in the file.
function storePastEnd({ open, model, mappings }: Modelled, fill: number): boolean {
  const size = model.byteLength;
  if (size % PAGE === 0) return false;
  // The mapping covers the whole page although the file ends in it.
  mappings.store(bytesOf(fill, PAGE - (size % PAGE)), size, fill % 2 === 0);
  return open.file.size === size;
}

/** Does the operation to the file and to the model. Throws `Failure` for a difference. */
export function perform(stage: Stage, { kind, file, pos, length, fill }: Operation): void {
  const one = stage.files[file] as Modelled;
  const { file: open, inode } = one.open;
  const { model } = one;
  const write = (at: number) => {
    one.model = resized(model, Math.max(model.byteLength, at + length));
    one.model.set(bytesOf(fill, length), at);
  };
  const setSize = (size: number) => {
    open.truncateSync(size);
    one.model = resized(model, size);
    if (size !== model.byteLength) one.hasTail = false;
  };
  switch (kind) {
    case 'write':
      moved(open.writeSync(bytesOf(fill, length), pos), length);
      write(pos);
      break;
    case 'writev':
      moved(open.writeSync(split(bytesOf(fill, length), fill), pos), length);
      write(pos);
      break;
    case 'append':
      moved(open.appendSync(bytesOf(fill, length)), length);
      write(model.byteLength);
      break;
    case 'read':
    case 'readv': {
      const target = new Uint8Array(length);
      const bytes = open.readSync(kind === 'read' ? target : split(target, fill), pos);
      expectContent('fsx', one.open.name, target.subarray(0, bytes), model.slice(pos, pos + length));
      break;
    }
    case 'truncate':
      setSize(pos);
      break;
    case 'extend':
      setSize(model.byteLength + length);
      break;
    case 'punch':
      if (stage.session.fs.operations.punchBlocks === undefined) break;
      open.punchHoleSync(pos, length);
      model.fill(0, pos, pos + length);
      break;
    case 'zero':
      open.zeroRangeSync(pos, length);
      model.fill(0, pos, pos + length);
      break;
    // The content of this mapping is checked after every operation from now on.
    case 'mapread':
      if (stage.canMap) one.mappings.content();
      break;
    case 'mapwrite':
      if (!stage.canMap) break;
      // A mapping has no pages past the end of the file.
      if (pos + length > model.byteLength) setSize(pos + length);
      one.mappings.store(bytesOf(fill, length), pos);
      write(pos);
      break;
    case 'mappast':
      if (stage.canMap) one.hasTail = storePastEnd(one, fill) || one.hasTail;
      break;
    case 'recreate':
      one.mappings.unmap();
      stage.session.unlink(one.open);
      stage.files[file] = modelled(stage.session, stage.session.create(one.open.name));
      break;
    case 'fsync':
      stage.session.fs.operations.fsync(inode, 0, inode.size);
      break;
    case 'remount':
      if (stage.session.canMount) remount(stage);
      break;
  }
}

function compareMapped({ open, model, mappings, hasTail }: Modelled): void {
  const name = `${open.name}, mapped,`;
  const content = mappings.content();
  expectContent('fsx', name, content.subarray(0, model.byteLength), model);
  const tail = content.subarray(model.byteLength);
  if (!hasTail) expectContent('fsx', `the rest of the page that ${name} ends in`, tail, new Uint8Array(tail.byteLength));
}

/** Throws `Failure` unless every file has the content that it should have. */
export function compare({ files }: Stage): void {
  for (const one of files) {
    const { open, model } = one;
    if (open.file.size !== model.byteLength) {
      throw new Failure('fsx', `${open.name} has ${open.file.size} bytes instead of ${model.byteLength}`);
    }
    // Mappings come first, because a read looks blocks up again, of which the mapping should have been told.
    if (one.mappings.isMapped) compareMapped(one);
    expectContent('fsx', open.name, contentOf(open.file), model);
  }
}
