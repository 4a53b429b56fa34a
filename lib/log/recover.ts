// Owns opening a log for writing: finding the end of its records, whatever a power cut or a killed writer left after them.

import { PAGE_SIZE, type BlockDevice } from 'node-dax';
import { damaged, isMediaError } from './error.js';
import { CHECKPOINT_POS, CHECKPOINT_SIZE, decodeCheckpoint, HEAD_POS, NEXT_HEAD_POS, TAIL_POS, UNIT, unitsOf, type Checkpoint } from './format.js';
import { storeWord } from './memory.js';
import { BATCH } from './publisher.js';
import type { Ring } from './ring.js';
import { Writer } from './writer.js';

interface Found {
  readonly checkpoint: Checkpoint;
  readonly slot: number;
}

/** The newest checkpoint. Throws `EUCLEAN` if neither is intact. */
export function newestCheckpoint(device: BlockDevice, ring: Ring): Found {
  const [first, second] = CHECKPOINT_POS.map((pos) => {
    const bytes = new Uint8Array(CHECKPOINT_SIZE);
    device.readSync(bytes, pos);
    return decodeCheckpoint(bytes, ring.seed);
  });
  const slot = (second?.position ?? -1) > (first?.position ?? -1) ? 1 : 0;
  const checkpoint = slot === 0 ? first : second;
  if (checkpoint === undefined) damaged('openLog', CHECKPOINT_POS[0], 'both checkpoints are damaged');
  return { checkpoint, slot };
}

// Throws `EUCLEAN` if the words of a log that has no writer contradict one another or the checkpoint.
function checkWords(ring: Ring, { position }: Checkpoint): void {
  const { head, tail } = ring;
  const next = ring.memory.word(NEXT_HEAD_POS);
  if (next < head) damaged('openLog', HEAD_POS, 'the position of the first record is damaged');
  if (head > position) damaged('openLog', HEAD_POS, 'the position of the first record, or the last checkpoint, is damaged');
  if (tail < position || tail - head > ring.capacity) damaged('openLog', TAIL_POS, 'the position after the last record is damaged');
}

/**
 * The end of the records. Walks record by record from the checkpoint to the tail and, because records become durable before they
 * are published, past the tail, so what a reader may have seen stays. Damaged records on the way are skipped.
 */
export function findEnd(ring: Ring, { position, sequence }: Checkpoint): Checkpoint {
  const limit = ring.head + ring.capacity;
  const { tail } = ring;
  let at = position;
  let next = sequence;
  for (;;) {
    if (ring.look(at, limit) && ring.header.sequence === next && ring.isIntact(at)) {
      at += unitsOf(ring.header.length);
      if (!ring.header.isSkip) next++;
      continue;
    }
    if (at >= tail) return { position: at, sequence: next };
    const found = ring.find(at, tail, next);
    if (found !== undefined) {
      at = found;
      next = ring.header.sequence;
      continue;
    }
    // The number of records there is unknown, but is at most the number of units.
    next += tail - at;
    at = tail;
  }
}

// Clears what an interrupted batch may have left past the end: behind newly appended records, it would look like the next ones. No
// batch reaches further.
function clearPast(device: BlockDevice, ring: Ring, end: number): void {
  const start = ring.placeOf(end);
  const last = start + Math.min(ring.head + ring.capacity - end, ring.toEnd(end)) * UNIT;
  let stop = Math.min(start + BATCH, last);
  for (let pos = start; pos < stop; ) {
    try {
      pos += device.zeroSync(pos, stop - pos);
    } catch (error) {
      if (!isMediaError(error)) throw error;
      // A bad page holds no records, so the batch lies after it.
      pos += PAGE_SIZE - (pos % PAGE_SIZE);
      stop = Math.min(stop + PAGE_SIZE, last);
    }
  }
}

/** Opens a log for writing; there must be no other writer. Throws `EUCLEAN` if its first pages are damaged. */
export function recover(device: BlockDevice, ring: Ring): Writer {
  const { checkpoint, slot } = newestCheckpoint(device, ring);
  checkWords(ring, checkpoint);
  const { tail, head } = ring;
  const end = findEnd(ring, checkpoint);
  // A killed writer may have left these records in the caches.
  if (end.position > tail) persistRing(device, ring, tail, end.position);
  storeWord(device, TAIL_POS, end.position);
  storeWord(device, NEXT_HEAD_POS, head);
  storeWord(device, HEAD_POS, head);
  clearPast(device, ring, end.position);
  const writer = new Writer(device, ring, end, checkpoint, slot);
  writer.checkpoint();
  return writer;
}

function persistRing(device: BlockDevice, ring: Ring, from: number, to: number): void {
  for (let at = from; at < to; ) {
    const units = Math.min(to - at, ring.toEnd(at));
    device.persist(ring.placeOf(at), units * UNIT);
    at += units;
  }
}
