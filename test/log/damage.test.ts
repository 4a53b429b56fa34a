// Damaged media: whatever byte is wrong, a reader gets what was appended or a typed error with the position.

import t from 'tap';
import { DaxError } from 'node-dax';
import { openLog, type Loss } from 'node-dax/log';
import { MemoryDevice } from 'node-dax/testkit';
import { contentOf } from '../helpers/log-crash.js';
import { seeded } from '../helpers/random.js';
import { amount, sample } from '../helpers/thorough.js';

const SIZE = 16 * 1024;
const ROUNDS = amount({ short: 120, thorough: 400, long: 400 });
const FLIPS = sample([0xff, 1, 0x80], 3);
const LENGTHS = [5, 100, 0, 700, 33, 1];

// With records, a truncation, and a second checkpoint.
function makeImage(): { image: Uint8Array; positions: number[] } {
  const image = new Uint8Array(SIZE);
  const device = new MemoryDevice(image);
  const log = openLog(device, { create: true });
  log.append(contentOf(1, 2000));
  log.truncateBefore(log.tail);
  const positions = LENGTHS.map((length, index) => log.append(contentOf(index + 2, length)));
  log.close();
  return { image, positions };
}

function isRight({ sequence, bytes }: { sequence: number; bytes: Uint8Array }): boolean {
  const length = LENGTHS[sequence - 2];
  return length !== undefined && Buffer.compare(bytes, contentOf(sequence, length)) === 0;
}

t.test('every byte of the first pages', (test) => {
  const { image } = makeImage();
  let refused = 0;
  for (let byte = 0; byte < 8192; byte++) {
    for (const flip of FLIPS) {
      const device = new MemoryDevice(image.slice());
      device.writeSync(Uint8Array.of((image[byte] as number) ^ flip), byte);
      try {
        const log = openLog(device);
        const found = [...log.records()];
        log.close();
        if (!found.every(isRight) || found.length !== LENGTHS.length) test.fail(`byte ${byte} ^ ${flip}: ${found.length} records`);
      } catch (error) {
        refused++;
        const isTyped = error instanceof DaxError && ['EUCLEAN', 'EINVAL', 'EOPNOTSUPP'].includes(error.code);
        if (!isTyped || (error.code === 'EUCLEAN' && error.position === undefined)) test.fail(`byte ${byte} ^ ${flip}: ${String(error)}`);
      }
    }
  }
  test.ok(refused > 60 * FLIPS.length, `${refused} refused`);
  test.end();
});

t.test('any byte of the records', (test) => {
  const random = seeded(test);
  const { image, positions } = makeImage();
  const end = 8192 + 16 * ((positions.at(-1) as number) + 2);
  const begin = 8192 + 16 * (positions[0] as number);
  for (let round = 0; round < ROUNDS; round++) {
    const byte = begin + random.below(end - begin);
    const device = new MemoryDevice(image.slice());
    device.writeSync(Uint8Array.of((image[byte] as number) ^ (1 + random.below(255))), byte);
    const log = openLog(device);
    const losses: Loss[] = [];
    const found = [...log.records(undefined, { onLoss: (loss) => losses.push(loss) })];
    // Bytes between two records belong to none.
    const isPadding = losses.length === 0 && found.length === LENGTHS.length;
    const lost = losses[0];
    if (!found.every(isRight)) test.fail(`byte ${byte}: a record is not what was appended`);
    if (!isPadding) {
      test.ok(losses.length === 1 && lost?.code === 'EUCLEAN' && lost.byte <= byte && found.length === LENGTHS.length - 1, `byte ${byte}: ${JSON.stringify(losses)}`);
      if (lost?.records !== undefined) test.equal(lost.records, 1);
      test.throws(() => [...log.records()], { code: 'EUCLEAN', reason: 'LOG_DAMAGED', position: lost?.byte ?? -1 });
    }
    log.append(contentOf(50, 10));
    const last = [...log.records(undefined, { onLoss: () => undefined })].at(-1);
    test.ok(last !== undefined && Buffer.compare(last.bytes, contentOf(50, 10)) === 0, 'it goes on');
    log.close();
  }
  test.end();
});

// Pages that can be neither read nor written.
class BadPages extends MemoryDevice {
  readonly bad = new Set<number>();

  #stop(pos: number, length: number): number {
    for (let page = Math.floor(pos / 4096); page * 4096 < pos + length; page++) {
      if (!this.bad.has(page)) continue;
      if (page * 4096 <= pos) throw new DaxError({ errno: 'EIO', syscall: 'read', reason: 'MEDIA_ERROR', position: pos });
      return page * 4096 - pos;
    }
    return length;
  }

  override readSync(target: NodeJS.ArrayBufferView, pos: number, range: { offset?: number; length?: number } = {}): number {
    const length = range.length ?? target.byteLength - (range.offset ?? 0);
    return super.readSync(target, pos, { ...range, length: this.#stop(pos, length) });
  }

  override writeSync(source: NodeJS.ArrayBufferView, pos: number, range: { offset?: number; length?: number; flush?: boolean } = {}): number {
    const length = range.length ?? source.byteLength - (range.offset ?? 0);
    return super.writeSync(source, pos, { ...range, length: this.#stop(pos, length) });
  }

  override zeroSync(pos: number, length: number): number {
    return super.zeroSync(pos, this.#stop(pos, length));
  }

  // As a page that was lost: JavaScript finds zeros there.
  poison(page: number): void {
    this.memory.fill(0, page * 4096, (page + 1) * 4096);
    this.bad.add(page);
  }
}

t.test('bad pages are passed over, and what lay on them is told', (test) => {
  const random = seeded(test);
  for (let round = 0; round < ROUNDS / 6; round++) {
    const device = new BadPages(new Uint8Array(64 * 1024));
    let log = openLog(device, { create: true });
    const kept = new Map<number, Uint8Array>();
    let sequence = 0;
    const append = (length: number): void => {
      const bytes = random.bytes(length);
      log.append(bytes);
      kept.set(++sequence, bytes);
    };
    for (let i = 0; i < 8; i++) append(random.below(3000));
    for (let i = 0; i < 3; i++) device.poison(2 + random.below(14));
    for (let i = 0; i < 8; i++) {
      try {
        append(random.below(2000));
      } catch (error) {
        if ((error as DaxError).code !== 'ENOSPC') throw error;
        break;
      }
      if (random.below(4) === 0) {
        log.close();
        log = openLog(device);
      }
    }
    const losses: Loss[] = [];
    const found = [...log.records(undefined, { onLoss: (loss) => losses.push(loss) })];
    if (!found.every(({ sequence: n, bytes }) => kept.has(n) && Buffer.compare(bytes, kept.get(n) as Uint8Array) === 0)) {
      test.fail('a record is not what was appended');
    }
    const missing = [...kept.keys()].filter((n) => !found.some((record) => record.sequence === n));
    test.equal(missing.length > 0, losses.length > 0, `${missing.length} of ${kept.size} records lost: ${JSON.stringify(losses)}`);
    if (losses.some(({ code }) => code !== 'EIO')) test.fail('EUCLEAN for a bad page');
    log.close();
  }
  test.end();
});
