// Owns the operations of a random run: how they are chosen, written down, and done to a file and to its model.

import { Failure } from './failure.js';
import type { Random } from './random.js';
import { bytesOf, contentOf, expectContent, type OpenFile, type Session } from './session.js';

/** One step. It stands by itself, so that any part of a sequence is a sequence. */
export interface Operation {
  readonly kind: Kind;
  readonly file: number;
  readonly pos: number;
  readonly length: number;
  /** Says which bytes are written, and how vectors are split. */
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
  'recreate',
  'fsync',
  'remount',
] as const;
type Kind = (typeof KINDS)[number];

/** Where offsets are interesting: at blocks and pages, and next to them. */
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
  return `${kind} ${length} at ${pos} of ${name}`;
}

/** A file and what it should hold. */
export interface Modelled {
  open: OpenFile;
  model: Uint8Array;
}

/** The filesystem and its files. A remount puts others in their place. */
export interface Stage {
  session: Session;
  readonly files: Modelled[];
}

export function beginStage(session: Session, files: number): Stage {
  return {
    session,
    files: Array.from({ length: files }, (_, index) => ({
      open: session.create(LETTERS[index] ?? '?'),
      model: new Uint8Array(0),
    })),
  };
}

// Three pieces, some of them empty.
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
  for (const { open } of stage.files) open.file.fsync();
  stage.session = stage.session.afterPowerCut();
  for (const modelled of stage.files) modelled.open = stage.session.find(modelled.open.name);
}

/** Does it to the file and to the model. Throws `Failure` for a difference. */
export function perform(stage: Stage, { kind, file, pos, length, fill }: Operation): void {
  const modelled = stage.files[file] as Modelled;
  const { file: open, inode } = modelled.open;
  const { model } = modelled;
  const write = (at: number) => {
    modelled.model = resized(model, Math.max(model.byteLength, at + length));
    modelled.model.set(bytesOf(fill, length), at);
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
      expectContent('fsx', modelled.open.name, target.subarray(0, bytes), model.slice(pos, pos + length));
      break;
    }
    case 'truncate':
    case 'extend': {
      const size = kind === 'truncate' ? pos : model.byteLength + length;
      open.truncateSync(size);
      modelled.model = resized(model, size);
      break;
    }
    case 'punch':
      if (stage.session.fs.operations.punchBlocks === undefined) break;
      open.punchHoleSync(pos, length);
      model.fill(0, pos, pos + length);
      break;
    case 'zero':
      open.zeroRangeSync(pos, length);
      model.fill(0, pos, pos + length);
      break;
    case 'recreate':
      stage.session.unlink(modelled.open);
      modelled.open = stage.session.create(modelled.open.name);
      modelled.model = new Uint8Array(0);
      break;
    case 'fsync':
      stage.session.fs.operations.fsync(inode, 0, inode.size);
      break;
    case 'remount':
      if (stage.session.canMount) remount(stage);
      break;
  }
}

/** Throws `Failure` unless every file holds what it should. */
export function compare({ files }: Stage): void {
  for (const { open, model } of files) {
    if (open.file.size !== model.byteLength) {
      throw new Failure('fsx', `${open.name} has ${open.file.size} bytes instead of ${model.byteLength}`);
    }
    expectContent('fsx', open.name, contentOf(open.file), model);
  }
}
