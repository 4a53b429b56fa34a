// A log against a list of records: of any size, appended in every way, truncated, and opened again, so the ring goes round.

import t, { type Test } from 'tap';
import { openScratch, type BlockDevice } from 'node-dax';
import { openLog, type Log } from 'node-dax/log';
import { MemoryDevice } from 'node-dax/testkit';
import { seeded, type Random } from '../helpers/random.js';
import { amount } from '../helpers/thorough.js';

const RECORDS = Number(process.env['NODE_DAX_TEST_RECORDS'] ?? amount({ short: 20000, thorough: 200000, long: 10_000_000 }));
const RECORDS_BETWEEN_CHECKS = 10_000;
const LONGEST = 2 ** 20;

t.setTimeout(3_600_000);

interface Kept {
  readonly position: number;
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

class Model {
  kept: Kept[] = [];
  log: Log;
  appended = 0;
  readonly #device: BlockDevice;
  readonly #random: Random;

  constructor(device: BlockDevice, random: Random) {
    this.#device = device;
    this.#random = random;
    this.log = openLog(device, { create: true, force: true });
  }

  step(sizes: readonly number[]): void {
    const random = this.#random;
    const record = () => random.bytes(random.below(random.pick(sizes) + 1));
    switch (random.below(12)) {
      case 0: this.#truncate(); break;
      case 1: this.#reopen(); break;
      case 2: case 3: this.#append(Array.from({ length: random.below(30) }, record), (records) => this.log.appendMany(records)); break;
      case 4: this.#append([record()], ([bytes = new Uint8Array()]) => [this.log.appendv([bytes.subarray(0, 5), bytes.subarray(5)])]); break;
      default: this.#append([record()], ([bytes = new Uint8Array()]) => [this.log.append(bytes)]);
    }
  }

  #append(records: readonly Uint8Array[], append: (records: readonly Uint8Array[]) => number[]): void {
    const { tail } = this.log;
    let positions;
    try {
      positions = append(records);
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== 'ENOSPC' && code !== 'EMSGSIZE') throw error;
      if (records.length !== 1 && this.log.tail !== tail) throw new Error('some of many were appended', { cause: error });
      this.#truncate();
      return;
    }
    for (const [index, bytes] of records.entries()) {
      this.kept.push({ position: positions[index] as number, sequence: ++this.appended, bytes });
    }
  }

  #truncate(): void {
    const keep = this.#random.below(this.kept.length + 1);
    this.kept = this.kept.slice(this.kept.length - keep);
    this.log.truncateBefore(this.kept[0]?.position ?? this.log.tail);
  }

  #reopen(): void {
    this.log.close();
    this.log = openLog(this.#device);
  }

  /** Fails, and returns false, where the log is not the list. */
  check(test: Test): boolean {
    const found = [...this.log.records()];
    const isSame =
      found.length === this.kept.length &&
      found.every(({ position, sequence, bytes }, index) => {
        const { [index]: wanted } = this.kept;
        return position === wanted?.position && sequence === wanted.sequence && Buffer.compare(bytes, wanted.bytes) === 0;
      });
    const { nextSequence, used, free, capacity } = this.log.info();
    if (isSame && nextSequence === this.appended + 1 && used + free === capacity) return true;
    test.strictSame(found.map(({ sequence }) => sequence), this.kept.map(({ sequence }) => sequence));
    return test.fail(`after ${this.appended} records, the log is not the list`, { nextSequence, used, free, capacity });
  }
}

// The requested number of records, of 0 bytes to 1 MiB. Their contents follow from their sequences, so only a list of their
// positions is kept.
class Many {
  readonly log = openLog(openScratch(16 * 1024 * 1024), { create: true, force: true });
  readonly #random: Random;
  readonly #pool: Uint8Array;
  // Of the records that are there.
  readonly #positions: number[] = [];
  #first = 1;
  appended = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#pool = random.bytes(LONGEST + 4096);
  }

  #contentOf(sequence: number): Uint8Array {
    // A hash by Knuth's multiplication; few records are long.
    const hash = Math.imul(sequence, 2_654_435_761) >>> 0;
    const most = hash % 50_000 === 0 ? LONGEST : hash % 500 === 0 ? 20_000 : 200;
    const start = hash % 4096;
    return this.#pool.subarray(start, start + (hash % (most + 1)));
  }

  append(): void {
    const count = this.#random.below(8) === 0 ? this.#random.below(40) : 1;
    const records = Array.from({ length: count }, (_, index) => this.#contentOf(this.appended + 1 + index));
    for (;;) {
      try {
        this.#positions.push(...(count === 1 ? [this.log.append(records[0] as Uint8Array)] : this.log.appendMany(records)));
        this.appended += count;
        return;
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'ENOSPC') throw error;
        this.#truncate();
      }
    }
  }

  #truncate(): void {
    const gone = Math.ceil((this.#positions.length * (1 + this.#random.below(4))) / 4);
    this.#positions.splice(0, gone);
    this.#first += gone;
    this.log.truncateBefore(this.#positions[0] ?? this.log.tail);
  }

  /** What is wrong; undefined if the log has the records that it should. */
  fault(): string | undefined {
    let sequence = this.#first;
    for (const record of this.log.records()) {
      if (record.sequence !== sequence || record.position !== this.#positions[sequence - this.#first]) return `record ${sequence} is not where it was appended`;
      if (Buffer.compare(record.bytes, this.#contentOf(sequence)) !== 0) return `record ${sequence} is not what was appended`;
      sequence++;
    }
    return sequence === this.appended + 1 ? undefined : `record ${sequence} is not there`;
  }
}

t.test('many records, of 0 bytes to 1 MiB, are those that were appended', (test) => {
  const many = new Many(seeded(test));
  let fault: string | undefined;
  for (let checked = 0; many.appended < RECORDS && fault === undefined; ) {
    many.append();
    if (many.appended - checked < RECORDS_BETWEEN_CHECKS) continue;
    checked = many.appended;
    fault = many.fault();
  }
  test.equal(fault ?? many.fault(), undefined, `${many.appended} records`);
  many.log.close();
  test.end();
});

const memory = (size: number) => new MemoryDevice(new Uint8Array(size));

t.test('a log is a list whose beginning can be given up', (test) => {
  const random = seeded(test);
  const devices: readonly [BlockDevice, readonly number[], number][] = [
    [memory(12 * 1024), [0, 20, 200, 3000], 3000],
    [memory(16 * 1024), [0, 1, 100, 9000], 3000],
    [openScratch(1024 * 1024), [0, 64, 4096, 70_000, 400_000], 1000],
    [openScratch(300 * 1024), [0, 128, 66_000], 1000],
  ];
  for (const [device, sizes, steps] of devices) {
    const model = new Model(device, random);
    for (let step = 0; step < steps * (amount({ short: 1, thorough: 5, long: 20 })); step++) {
      model.step(sizes);
      if (step % 10 === 0 && !model.check(test)) return void test.end();
    }
    if (model.check(test)) test.pass(`${model.appended} records on ${device.size} bytes`);
    model.log.close();
  }
  test.end();
});

for (const [name, make] of [['copies', memory], ['the addon', openScratch]] as const) {
  t.test(`the ring goes round with every remainder, by ${name}`, (test) => {
    const capacity = 4096;
    const device = make(12 * 1024);
    for (let left = 16; left <= capacity; left += 16) {
      // What is left to the end of the ring fits nothing, exactly this, or more.
      for (const next of [0, 1, 16, left - 32, left - 17, left - 16, left - 15, left, 2000, capacity - 16]) {
        if (next < 0 || next > capacity - 16) continue;
        const log = openLog(device, { create: true, force: true });
        if (left < capacity) log.append(Buffer.alloc(capacity - left - 16, 1));
        log.truncateBefore(log.tail);
        const record = Buffer.alloc(next, 2);
        const position = log.append(record);
        const [found] = [...log.records(position)];
        if (found?.bytes.length !== next || Buffer.compare(found.bytes, record) !== 0) test.fail(`${next} bytes where ${left} are left`);
        // The same among others, which are published together.
        log.truncateBefore(log.tail);
        const records = [Buffer.alloc(3, 3), Buffer.alloc(Math.max(0, Math.min(next, 1500)), 4), Buffer.alloc(40, 5)];
        const positions = log.appendMany(records);
        const all = [...log.records()];
        const isSame = all.every(({ position: at, bytes }, index) => at === positions[index] && Buffer.compare(bytes, records[index] as Buffer) === 0);
        if (!isSame || all.length !== 3) test.fail(`three records after ${next} bytes where ${left} are left`);
        log.close();
      }
    }
    test.pass();
    test.end();
  });
}

t.test('more records than are published together are all appended, by copies and by the addon', (test) => {
  const records = Array.from({ length: 1000 }, (_, index) => Buffer.from(`${index}`));
  for (const device of [new MemoryDevice(new Uint8Array(65_536)), openScratch(65_536)]) {
    const log = openLog(device, { create: true });
    const positions = log.appendMany(records);
    const found = [...log.records()];
    test.strictSame(found.map(({ bytes }) => Buffer.from(bytes).toString()), records.map(String));
    test.strictSame(found.map(({ position }) => position), positions);
    log.close();
  }
  test.end();
});

t.test('what does not fit is refused, and leaves the log as it was', (test) => {
  const log = openLog(memory(12 * 1024), { create: true, force: true });
  test.throws(() => log.append(Buffer.alloc(4081)), { code: 'EMSGSIZE' });
  log.append(Buffer.alloc(4080, 5));
  const { tail } = log;
  test.throws(() => log.append(Buffer.alloc(0)), { code: 'ENOSPC', reason: 'DEVICE_FULL' });
  test.throws(() => log.appendMany([Buffer.alloc(1), Buffer.alloc(1)]), { code: 'ENOSPC' });
  test.equal(log.tail, tail);
  test.throws(() => log.append('text' as unknown as Uint8Array), TypeError);
  test.throws(() => log.append(null as unknown as Uint8Array), TypeError);
  const detached = new Uint8Array(8);
  structuredClone(detached, { transfer: [detached.buffer] });
  test.throws(() => log.append(detached), TypeError);
  test.throws(() => { log.truncateBefore(1); }, { code: 'EINVAL', reason: 'OFFSET_OUT_OF_RANGE' });
  test.throws(() => { log.truncateBefore(tail + 1); }, { code: 'EINVAL' });
  test.throws(() => [...log.records(tail + 1)], { code: 'EINVAL' });
  test.throws(() => log.records(0, { copi: true } as object), { message: /copy is meant/ });
  test.equal([...log.records()].length, 1);
  log.close();
  test.throws(() => log.append(Buffer.alloc(1)), { code: 'EBADF' });
  test.throws(() => log.tail, { code: 'EBADF' });
  log.close();
  test.end();
});

t.test('nothing is formatted that was not asked for', (test) => {
  const device = memory(64 * 1024);
  test.throws(() => openLog(device), { code: 'EINVAL', reason: 'NO_LOG' });
  device.writeSync(Buffer.from('something'), 50_000);
  test.throws(() => openLog(device, { create: true }), { code: 'EEXIST', hint: /force: true/ }, 'memory that is not empty');
  device.zeroSync(0, 64 * 1024);
  device.writeSync(Buffer.from('XFSB'), 0);
  test.throws(() => openLog(device), { code: 'EINVAL', hint: /xfs/ });
  test.throws(() => openLog(device, { create: true }), { code: 'EEXIST', hint: /xfs.*force: true/ }, 'a signature');
  test.throws(() => openLog(device, { force: true }), TypeError);
  test.throws(() => openLog(device, { create: true, readOnly: true }), TypeError);
  test.throws(() => openLog(device, { requireDurable: true }), { code: 'EOPNOTSUPP', reason: 'NOT_DURABLE' });
  device.zeroSync(0, 64 * 1024);
  const log = openLog(device, { create: true });
  log.append(Buffer.from('kept'));
  log.close();
  const again = openLog(device, { create: true });
  test.equal([...again.records()].length, 1, 'a log that is there is opened');
  again.close();
  device.writeSync(Uint8Array.of(9), 8);
  test.throws(() => openLog(device, { create: true }), { code: 'EOPNOTSUPP', hint: /version 9/ });
  const anew = openLog(device, { create: true, force: true });
  test.equal([...anew.records()].length, 0);
  anew.close();
  test.throws(() => openLog(memory(8192), { create: true }), { code: 'ENOSPC' });
  test.end();
});
