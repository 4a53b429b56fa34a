import t from 'tap';
import { type DaxFile } from 'node-dax';
import { MemoryDevice, type Driver } from '../helpers/memory-device.js';
import { randomFrom, type Random } from '../helpers/random.js';
import { isFree, Tfs, type TfsInode, type TfsOptions } from '../helpers/tfs.js';

// The long run of `npm run test:long` asks for more.
const OPERATIONS = Number(process.env['NODE_DAX_TEST_OPERATIONS'] ?? 20_000);
const SEEDS = 10;
const EPISODE = 500;
const FILES = 3;
const MAX_SIZE = 96 * 1024;
const LARGE = 300 * 1024;

// Random bytes to write parts of: making them anew would take most of the time.
const POOL_SIZE = 1024 * 1024;

const BLOCK_SIZES = [512, 1024, 2048, 4096] as const;
const DRIVERS: readonly Driver[] = ['pmem', 'brd'];

/** What a file should be. */
class Model {
  bytes = Buffer.alloc(LARGE + MAX_SIZE);
  size = 0;

  write(bytes: Uint8Array, pos: number): void {
    this.bytes.set(bytes, pos);
    this.size = Math.max(this.size, pos + bytes.length);
  }

  truncate(size: number): void {
    this.bytes.fill(0, size);
    this.size = size;
  }

  zero(pos: number, length: number): void {
    this.bytes.fill(0, pos, Math.min(pos + length, this.size));
  }

  slice(pos: number, length: number): Buffer {
    return this.bytes.subarray(Math.min(pos, this.size), Math.min(pos + length, this.size));
  }
}

// What stopped a write, as it should.
const STOPPED = new Set(['ENOSPC', 'EFAULT', 'ENXIO']);

class Episode {
  readonly tfs: Tfs;
  readonly name: string;
  readonly #devices: readonly MemoryDevice[];
  readonly #blocks: number;
  readonly #random: Random;
  readonly #pool: Uint8Array;
  readonly #files: { file: DaxFile; inode: TfsInode; model: Model }[];

  constructor(random: Random, pool: Uint8Array) {
    const blockSize = random.pick(BLOCK_SIZES);
    const driver = random.pick(DRIVERS);
    const flip = () => random.below(2) === 0;
    const size = random.pick([128, 1024]) * 1024;
    this.#devices = flip() ? [new MemoryDevice(size, driver), new MemoryDevice(size, 'brd')] : [new MemoryDevice(size, driver)];
    const options: TfsOptions = {
      blockSize,
      zeroOnAlloc: random.below(4) === 0,
      holeLen: flip(),
      unwritten: random.below(3) === 0,
      maxRun: random.pick([1, 2, 7, 1000]),
    };
    this.name = `${JSON.stringify(options)} ${driver} ${this.#devices.length} × ${size}`;
    this.tfs = new Tfs({ ...options, devices: this.#devices });
    this.#blocks = this.tfs.freeBlocks;
    this.#random = random;
    this.#pool = pool;
    this.#files = Array.from({ length: FILES }, () => {
      const inode = this.tfs.inode();
      return { file: this.tfs.file(inode), inode, model: new Model() };
    });
  }

  async run(operations: number): Promise<void> {
    const random = this.#random;
    for (let step = 0; step < operations; step++) {
      const one = random.pick(this.#files);
      if (random.below(10) === 0) this.#storePastEnd(one.file);
      // It may stop a copy anywhere.
      const faulty = random.below(20) === 0;
      if (faulty) this.#break(random.pick(this.#devices), random.below(100 * 1024));
      await this.#step(one.file, one.model);
      const end = one.file.size / this.tfs.sb.blockSize;
      for (const iblock of one.inode.blocks.keys()) if (iblock >= end) throw new Error(`block ${iblock} is past the end`);
      if (faulty) for (const device of this.#devices) device.heal();
      if (random.below(50) === 0) this.#checkAll();
    }
    this.#checkAll();
    for (const { file } of this.#files) this.tfs.unlink(file.inode);
    if (this.tfs.freeBlocks !== this.#blocks) throw new Error(`${this.#blocks - this.tfs.freeBlocks} blocks are lost`);
    this.tfs.check([]);
  }

  #break(device: MemoryDevice, pos: number): void {
    if (this.#random.below(3) === 0) device.failDirectAccessAt = { pos, code: 'ENXIO' };
    else device.failAt(pos, 'EFAULT', 1 + this.#random.below(5000));
  }

  async #step(file: DaxFile, model: Model): Promise<void> {
    const random = this.#random;
    const sync = random.below(2) === 0;
    const pos = random.below(MAX_SIZE);
    const length = this.#length();
    switch (random.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        await this.#read(file, model, pos, length, sync);
        break;
      case 4:
      case 5:
      case 6:
      case 7:
      case 8:
        await this.#write(file, model, pos, length, sync);
        break;
      case 9:
        await this.#append(file, model, this.#length() % 9000, sync);
        break;
      case 10:
      case 11: {
        const size = random.below(3) === 0 ? random.below(MAX_SIZE) : Math.min(MAX_SIZE, model.size) - random.below(model.size / 4 + 1);
        const bounded = Math.max(0, Math.floor(size));
        if (sync) file.truncateSync(bounded);
        else await file.truncate(bounded);
        // The size that it has changes nothing, also not what a mapping stored past it (TR-6).
        if (bounded !== model.size) this.#checkTail(file);
        model.truncate(bounded);
        break;
      }
      case 12:
      case 13:
        if (sync) file.punchHoleSync(pos, length);
        else await file.punchHole(pos, length);
        model.zero(pos, length);
        break;
      case 14:
        if (sync) file.zeroRangeSync(pos, length);
        else await file.zeroRange(pos, length);
        model.zero(pos, length);
        break;
      default:
        // A filesystem may forget, or move on another's behalf.
        file.inode.extents.invalidate(random.below(10), random.below(10));
    }
    if (file.size !== model.size) throw new Error(`i_size is ${file.size}, not ${model.size}`);
  }

  #length(): number {
    const random = this.#random;
    if (random.below(60) === 0) return LARGE - random.below(5000);
    return random.below(random.pick([10, 600, 5000, 20_000]));
  }

  // Whole, or in pieces of which some are empty.
  #cut(bytes: Uint8Array): Uint8Array | Uint8Array[] {
    const random = this.#random;
    if (random.below(3) > 0) return bytes;
    const pieces = [];
    let at = 0;
    while (at < bytes.length && pieces.length < 6) {
      const end = random.below(4) === 0 ? at : Math.min(bytes.length, at + random.below(bytes.length) + 1);
      pieces.push(bytes.subarray(at, end));
      at = end;
    }
    return [...pieces, bytes.subarray(at)];
  }

  // Hand out a copy: a write that stored into its source would change the model too.
  #bytes(length: number): Uint8Array {
    const at = this.#random.below(POOL_SIZE - length);
    return this.#pool.subarray(at, at + length);
  }

  async #read(file: DaxFile, model: Model, pos: number, length: number, sync: boolean): Promise<void> {
    const target = Buffer.alloc(length, 0x77);
    const iter = this.#cut(target);
    const expected = model.slice(pos, length);
    const read = await moved(() => (sync ? file.readSync(iter, pos) : file.read(iter, pos)));
    if (read.error === undefined && read.bytes > expected.length) throw new Error(`${read.bytes} bytes were read`);
    if (!target.subarray(0, read.bytes).equals(expected.subarray(0, read.bytes))) throw new Error(`read at ${pos} differs`);
    if (read.bytes < expected.length && !this.#anyFault()) throw new Error(`only ${read.bytes} bytes were read`);
  }

  async #write(file: DaxFile, model: Model, pos: number, length: number, sync: boolean): Promise<void> {
    const bytes = this.#bytes(length);
    const iter = this.#cut(bytes.slice());
    const written = await moved(() => (sync ? file.writeSync(iter, pos) : file.write(iter, pos)));
    this.#wrote(model, bytes, pos, written.bytes);
  }

  async #append(file: DaxFile, model: Model, length: number, sync: boolean): Promise<void> {
    const bytes = this.#bytes(Math.max(0, Math.min(length, MAX_SIZE - model.size)));
    const iter = this.#cut(bytes.slice());
    const written = await moved(() => (sync ? file.appendSync(iter) : file.append(iter)));
    this.#wrote(model, bytes, model.size, written.bytes);
  }

  #wrote(model: Model, bytes: Uint8Array, pos: number, written: number): void {
    if (written < bytes.length && !this.#anyFault() && this.tfs.freeBlocks > bytes.length / this.tfs.sb.blockSize + 2) {
      throw new Error(`only ${written} of ${bytes.length} bytes were written with ${this.tfs.freeBlocks} blocks free`);
    }
    if (written > 0) model.write(bytes.subarray(0, written), pos);
  }

  #anyFault(): boolean {
    return this.#devices.some((device) => device.isFaulty);
  }

  // As a program does through a mapping: in the page of the end, past it.
  #storePastEnd(file: DaxFile): void {
    const { blockSize } = this.tfs.sb;
    const iblock = Math.floor(file.size / blockSize);
    const place = this.tfs.placeOf(file.inode, iblock);
    if (place === undefined || place.unwritten || file.size % 4096 === 0) return;
    this.tfs.media(file.inode, iblock).fill(0xee, file.size % blockSize);
  }

  #checkTail(file: DaxFile): void {
    const { blockSize } = this.tfs.sb;
    const iblock = Math.floor(file.size / blockSize);
    const place = this.tfs.placeOf(file.inode, iblock);
    if (place === undefined || place.unwritten || file.size % blockSize === 0) return;
    const tail = this.tfs.media(file.inode, iblock).subarray(file.size % blockSize);
    if (tail.some((byte) => byte !== 0)) throw new Error(`past the end at ${file.size} is old data`);
  }

  #checkAll(): void {
    const inodes = this.#files.map(({ file }) => file.inode);
    this.tfs.check(inodes);
    for (const { file, model } of this.#files) {
      if (!isFree(file.inode)) throw new Error('a lock is held');
      for (let round = 0; round < 2; round++) {
        const read = Buffer.alloc(model.size);
        if (file.readSync(read, 0) !== model.size) throw new Error('a read of the whole file is short');
        if (!read.equals(model.bytes.subarray(0, model.size))) throw new Error(`inode ${file.inode.ino} differs`);
        file.inode.extents.invalidate();
      }
    }
  }
}

async function moved(move: () => number | Promise<number>): Promise<{ bytes: number; error?: unknown }> {
  try {
    return { bytes: await move() };
  } catch (error) {
    if (!STOPPED.has((error as { code: string }).code)) throw error;
    return { bytes: 0, error };
  }
}

t.setTimeout(OPERATIONS > 100_000 ? 3_600_000 : 120_000);

t.test(`${OPERATIONS} random operations against plain bytes`, async (test) => {
  const given = process.env['NODE_DAX_TEST_SEED'];
  const base = given === undefined ? (Date.now() % 0x7fffffff) || 1 : Number(given);
  const seeds = given === undefined ? SEEDS : 1;
  for (let n = 0; n < seeds; n++) {
    const seed = base + n;
    test.comment(`NODE_DAX_TEST_SEED=${seed}`);
    const random = randomFrom(seed);
    const pool = random.bytes(POOL_SIZE);
    for (let left = Math.ceil(OPERATIONS / SEEDS); left > 0; left -= EPISODE) {
      const episode = new Episode(random, pool);
      try {
        await episode.run(Math.min(left, EPISODE));
      } catch (error) {
        test.comment(`${left} operations before the end of seed ${seed}: ${episode.name}`);
        throw error;
      }
    }
    test.pass(`seed ${seed}`);
  }
});
