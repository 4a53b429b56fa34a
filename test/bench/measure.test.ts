// The measuring of one thread: how often what is done, what is verified, and lateness that is not left out.

import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import type { Operations } from '../../lib/bench/drivers/driver.js';
import { DEFAULTS, type Job } from '../../lib/bench/jobs/job.js';
import { measure } from '../../lib/bench/trials/measure.js';
import { check, stamp } from '../../lib/bench/jobs/verify.js';

const BS = 4096;
const job = (more: Partial<Job>): Job => ({ ...DEFAULTS, rw: 'read', bs: BS, size: 64 * BS, ramp_time: 0, ...more });

/** Operations on memory that count themselves. */
class Memory implements Operations {
  readonly #source = new Uint8Array(BS);
  readonly reads: number[] = [];
  readonly writes: number[] = [];
  readonly #bytes = new Uint8Array(64 * BS);
  readonly #found = new Uint8Array(BS);

  constructor(readonly awaited: boolean) {}

  source(): Uint8Array {
    return this.#source;
  }

  found(): Uint8Array {
    return this.#found;
  }

  read(pos: number): unknown {
    this.reads.push(pos);
    this.#found.set(this.#bytes.subarray(pos, pos + BS));
    return this.awaited ? Promise.resolve() : undefined;
  }

  write(pos: number): unknown {
    this.writes.push(pos);
    this.#bytes.set(this.#source, pos);
    return this.awaited ? Promise.resolve() : undefined;
  }

  spoil(pos: number): void {
    this.#bytes[pos] = 255 - (this.#bytes[pos] ?? 0);
  }

  close(): void {
    // Nothing is open.
  }
}

/** Operations that end when there are as many under way as there are slots, or no others come. */
class Slow extends Memory {
  readonly slots: number[] = [];
  most = 0;
  #underWay = 0;

  constructor() {
    super(true);
  }

  override async read(pos: number, slot = 0): Promise<void> {
    this.slots[slot] = (this.slots[slot] ?? 0) + 1;
    this.#underWay += 1;
    this.most = Math.max(this.most, this.#underWay);
    super.read(pos);
    await setImmediate();
    this.#underWay -= 1;
  }
}

t.test('so many awaited operations are under way as iodepth says, each in a slot of its own', async (test) => {
  const memory = new Slow();
  const { read } = await measure(job({ loops: 3, iodepth: 8 }), memory, 0, () => undefined);
  test.equal(memory.most, 8);
  test.strictSame(memory.slots.length, 8);
  test.equal(memory.reads.length, 3 * 64, 'each once, whatever the depth');
  test.equal(read.operations, 3 * 64);
  const alone = new Slow();
  await measure(job({ loops: 1 }), alone, 0, () => undefined);
  test.equal(alone.most, 1);
  const synchronous = new Memory(false);
  await measure(job({ loops: 1, iodepth: 8 }), synchronous, 0, () => undefined);
  test.equal(synchronous.reads.length, 64, 'others have one');
});

for (const awaited of [false, true]) {
  t.test(awaited ? 'awaited operations' : 'synchronous operations', async (test) => {
    const memory = new Memory(awaited);
    let begun = 0;
    const { read, write } = await measure(job({ loops: 3 }), memory, 0, () => (begun += 1));
    test.equal(begun, 1);
    test.strictSame(memory.reads, Array.from({ length: 3 * 64 }, (_, i) => (i % 64) * BS), 'each block, loops times, in order');
    test.equal(read.operations, 3 * 64);
    test.ok(read.counted > 0 && read.counted <= read.operations);
    test.ok(read.latency.count > 0 && read.latency.min >= 1);
    test.equal(write.operations, 0);
  });
}

t.test('the ramp is done and not counted', async (test) => {
  const memory = new Memory(false);
  const { read } = await measure(job({ ramp_time: 0.01 }), memory, 0, () => undefined);
  test.equal(read.operations, 64);
  test.ok(memory.reads.length > 64);
});

t.test('the runtime ends a job without end', async (test) => {
  const memory = new Memory(false);
  const { read, elapsed } = await measure(job({ time_based: true, runtime: 0.02 }), memory, 0, () => undefined);
  test.ok(elapsed >= 20);
  test.ok(read.operations > 64);
});

t.test('both ways of a mixed job are told apart', async (test) => {
  const memory = new Memory(false);
  const { read, write } = await measure(job({ rw: 'randrw', loops: 10, rwmixread: 70 }), memory, 0, () => undefined);
  test.equal(read.operations, memory.reads.length);
  test.equal(write.operations, memory.writes.length);
  test.equal(read.operations + write.operations, 640);
});

t.test('verify finds what was written, and what was not', async (test) => {
  const verify = 'sha256';
  const memory = new Memory(true);
  const { verified } = await measure(job({ rw: 'randwrite', loops: 4, verify }), memory, 0, () => undefined);
  test.equal(verified, new Set(memory.writes).size, 'every block that was written is read again');
  const again = await measure(job({ rw: 'write', verify }), memory, 0, () => undefined);
  test.equal(again.verified, 64);
  test.equal((await measure(job({ verify }), memory, 0, () => undefined)).verified, 64, 'a job that reads checks each block');
  const [pos = 0] = memory.writes;
  memory.spoil(pos + 100);
  await test.rejects(measure(job({ verify }), memory, 0, () => undefined), { message: new RegExp(`the block at ${pos} is not`) });
});

t.test('a block carries its place and a digest of all the rest', (test) => {
  const block = new Uint8Array(200).map((_, i) => i);
  for (const method of ['md5', 'sha1', 'sha256'] as const) {
    stamp(block, 4096, method);
    test.doesNotThrow(() => { check(block, 4096, method); });
    test.throws(() => { check(block, 8192, method); }, /verify/, 'a block of another place');
    for (let i = 0; i < block.length; i++) {
      const spoilt = block.map((byte, at) => (at === i ? byte ^ 1 : byte));
      const free = method === 'md5' ? i >= 24 && i < 40 : method === 'sha1' && i >= 28 && i < 40;
      if (!free) test.throws(() => { check(spoilt, 4096, method); }, /verify/, `${method}, byte ${i}`);
    }
  }
  test.end();
});

// One operation of 100 ms, 1000 a second: some 100 others were due while it went on, and each has waited for it.
t.test('a job with a rate counts from when an operation was due', async (test) => {
  const memory = new Memory(false);
  const read = memory.read.bind(memory);
  memory.read = (pos) => {
    if (memory.reads.length === 50) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    return read(pos);
  };
  const { read: tally } = await measure(job({ rate_iops: 1000, loops: 4 }), memory, 0, () => undefined);
  test.equal(tally.operations, 256);
  test.equal(tally.latency.count, 256);
  test.ok(tally.latency.percentile(75) >= 10e6, 'a third of all operations were late by 10 ms or more');
  test.ok((tally.service?.percentile(75) ?? Infinity) < 10e6, 'though they took little themselves');
});
