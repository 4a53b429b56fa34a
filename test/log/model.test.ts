// A log against a list of records: of any size, appended in every way, truncated, and opened again, so that the ring goes round.

import t, { type Test } from 'tap';
import { openScratch, type BlockDevice } from 'node-dax';
import { openLog, type Log } from 'node-dax/log';
import { MemoryDevice } from 'node-dax/testkit';
import { seeded, type Random } from '../helpers/random.js';
import { THOROUGH } from '../helpers/thorough.js';

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
    for (let step = 0; step < steps * (THOROUGH ? 20 : 1); step++) {
      model.step(sizes);
      if (step % 10 === 0 && !model.check(test)) return void test.end();
    }
    if (model.check(test)) test.pass(`${model.appended} records on ${device.size} bytes`);
    model.log.close();
  }
  test.end();
});

t.test('the ring goes round with every remainder', (test) => {
  const capacity = 4096;
  for (let length = 0; length <= capacity - 16; length += 7) {
    const log = openLog(memory(12 * 1024), { create: true, force: true });
    const filler = Buffer.alloc(length, 1);
    log.append(filler);
    log.truncateBefore(log.tail);
    // What is left to the end of the ring fits nothing, exactly this, or more.
    for (const next of [0, 1, 16, capacity - length - 48, capacity - length - 32, capacity - length - 31, 2000, capacity - 16]) {
      if (next < 0 || next > capacity - 16) continue;
      const record = Buffer.alloc(next, 2);
      const position = log.append(record);
      const [found] = [...log.records(position)];
      if (found?.bytes.length !== next || Buffer.compare(found.bytes, record) !== 0) test.fail(`${next} bytes after ${length}`);
      log.truncateBefore(log.tail);
    }
  }
  test.pass();
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
