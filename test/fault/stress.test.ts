// Eight threads load and store at random while the file is truncated, grown, punched, moved, written, frozen and remapped.
// Everything that a thread sees is checked against what it may see, and in the end every byte against the model.

import '../helpers/assert-locks.js';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { freezeSuper, PROT_READ, thawSuper, type DaxMapping } from 'node-dax';
import type { StormResult } from '../helpers/fault-storm.js';
import { FaultWorker } from '../helpers/fault-worker.js';
import { isExpected, LANES, Lanes, OWNER, type Stored } from '../helpers/lanes.js';
import { onEveryKindOfGround, type Ground, type MappedFile } from '../helpers/mapped-file.js';
import { seeded, type Random } from '../helpers/random.js';

const SECONDS = Number(process.env['NODE_DAX_TEST_SECONDS'] ?? 2);
const THREADS = LANES - 1;
// What is in a block that nobody owns: no thread stores such words.
const FREED = 0xdd;

// The file's owner: changes the file, and looks at it by read(2) and through a mapping of its own.
class Upheaval {
  readonly #ground: Ground;
  readonly #mapped: MappedFile;
  readonly #reader: DaxMapping;
  readonly #lanes: Lanes;
  readonly #random: Random;
  // What its words hold. Nothing else changes them, so this is exact.
  readonly #own = new Map<number, number>();
  readonly counts = new Map<string, number>();
  failure: string | undefined;

  constructor(ground: Ground, mapped: MappedFile, reader: DaxMapping, lanes: Lanes, random: Random) {
    this.#ground = ground;
    this.#mapped = mapped;
    this.#reader = reader;
    this.#lanes = lanes;
    this.#random = random;
  }

  get #size(): number {
    return this.#mapped.inode.size;
  }

  async step(): Promise<void> {
    const steps = {
      punch: () => this.#punch(),
      cut: () => this.#cut(),
      grow: () => this.#grow(),
      move: () => { this.#move(); },
      write: () => this.#write(),
      read: () => this.#read(),
      look: () => { this.#look(); },
      freeze: () => this.#freeze(),
    };
    const names = ['punch', 'punch', 'cut', 'grow', 'grow', 'move', 'move', 'write', 'write', 'read', 'look', 'freeze'] as const;
    const name = this.#random.pick(names);
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    await steps[name]();
  }

  /** The file at its full length. */
  async grow(): Promise<void> {
    await this.#resize(this.#lanes.pages);
  }

  // Nothing is done to a part of a word.
  #wordBelow(limit: number): number {
    return 4 * this.#random.below(limit / 4);
  }

  async #punch(): Promise<void> {
    if (this.#size === 0) return;
    const { page } = this.#lanes;
    const pos = this.#wordBelow(this.#size);
    const isWhole = this.#random.below(2) === 0;
    const from = isWhole ? pos - (pos % page) : pos;
    const length = isWhole ? (1 + this.#random.below(4)) * page : 4 + this.#wordBelow(3 * page);
    const end = Math.min(from + length, this.#size);
    await this.#destroy(from, end, () => this.#mapped.file.punchHole(from, end - from));
  }

  async #cut(): Promise<void> {
    const { page, pages } = this.#lanes;
    if (this.#size === 0) return;
    const size = this.#size - 4 - this.#wordBelow(Math.min(this.#size, 6 * page));
    await this.#destroy(size, pages * page, async () => {
      await this.#mapped.file.truncate(size);
      this.#lanes.size = size;
    });
  }

  async #grow(): Promise<void> {
    const { page, pages } = this.#lanes;
    const first = Math.ceil(this.#size / page);
    await this.#resize(first + this.#random.below(pages - first + 1));
  }

  async #resize(pages: number): Promise<void> {
    const size = pages * this.#lanes.page;
    // What was stored past the end is gone.
    await this.#destroy(this.#size, size, async () => {
      await this.#mapped.file.truncate(size);
      this.#lanes.size = size;
    });
  }

  async #destroy(pos: number, end: number, work: () => Promise<void>): Promise<void> {
    await this.#lanes.destroy(pos, end, work);
    for (const n of this.#own.keys()) {
      const at = this.#lanes.positionOf(n, OWNER);
      if (at >= pos && at < end) this.#own.delete(n);
    }
  }

  // Nobody sees anything of it: first the pages go from every mapping, then they are copied, then the blocks are freed.
  #move(): void {
    const { blocksPerPage, pages } = this.#ground;
    const n = this.#random.below(this.#lanes.pages);
    const { fs, inode } = this.#mapped;
    if (this.#ground.isHole(this.#mapped, n)) return;
    inode.extents.invalidate(n * blocksPerPage, blocksPerPage);
    const old = this.#ground.media(this.#mapped, n);
    const copy = Buffer.from(old);
    fs.operations.punchBlocks?.(inode, n * blocksPerPage, blocksPerPage);
    old.fill(FREED);
    fs.seek(this.#random.below(pages) * blocksPerPage);
    fs.allocate(inode, n * blocksPerPage, blocksPerPage);
    this.#ground.media(this.#mapped, n).set(copy);
  }

  async #write(): Promise<void> {
    const n = this.#random.below(this.#lanes.pages);
    const pos = this.#lanes.positionOf(n, OWNER);
    if (pos + 4 > this.#size) return;
    const value = this.#lanes.next(OWNER);
    await this.#mapped.file.write(new Uint8Array(new Uint32Array([value]).buffer), pos);
    this.#own.set(n, value);
  }

  async #read(): Promise<void> {
    const { page } = this.#lanes;
    const n = this.#random.below(this.#lanes.pages);
    const bytes = new Uint8Array(page);
    await this.#mapped.file.read(bytes, n * page);
    this.#check(n, new Uint32Array(bytes.buffer), 'read(2)');
  }

  #look(): void {
    const { page } = this.#lanes;
    const { buffer } = this.#reader;
    for (let n = 0; (n + 1) * page <= buffer.byteLength; n++) {
      this.#check(n, new Uint32Array(buffer, n * page, page / 4), "the owner's mapping");
    }
  }

  async #freeze(): Promise<void> {
    await freezeSuper(this.#mapped.fs.sb);
    await this.#read();
    await delay(this.#random.below(3));
    thawSuper(this.#mapped.fs.sb);
  }

  #check(n: number, words: Uint32Array, where: string): void {
    for (let lane = 0; lane < LANES; lane++) {
      const pos = this.#lanes.positionOf(n, lane);
      if (pos >= this.#size) continue;
      const value = words[(pos % this.#lanes.page) / 4] ?? -1;
      const isRight = lane === OWNER ? value === (this.#own.get(n) ?? 0) : this.#lanes.isPlausible(lane, value);
      if (!isRight) this.failure = `${where}: page ${n}, lane ${lane}: ${value.toString(16)}`;
    }
  }

  /** What its word of a page holds. */
  own(n: number): number {
    return this.#own.get(n) ?? 0;
  }
}

// Nobody stores any more: every byte of the file is known.
function compare(test: Test, lanes: Lanes, bytes: Uint32Array, upheaval: Upheaval, results: readonly StormResult[]): void {
  const wrong: string[] = [];
  const rest = new Uint32Array(bytes);
  const words = (n: number, lane: number) => lanes.positionOf(n, lane) / 4;
  for (let n = 0; n < lanes.pages; n++) {
    for (let lane = 0; lane < LANES; lane++) {
      const value = bytes[words(n, lane)] ?? -1;
      const count = lanes.countOf(n, lane);
      const stored: Stored | undefined = results[lane]?.stored[n];
      const isRight = lane === OWNER ? value === upheaval.own(n) : isExpected(stored, value, count, count);
      if (!isRight) wrong.push(`page ${n}, lane ${lane}: ${value.toString(16)} for ${JSON.stringify(stored)}`);
      rest[words(n, lane)] = 0;
    }
  }
  test.strictSame(wrong.slice(0, 5), []);
  test.ok(rest.every((word) => word === 0), 'and nothing between the words');
}

onEveryKindOfGround('eight threads against a file that changes under them', async (test, ground) => {
  const random = seeded(test);
  const pages = ground.page > 4096 ? 8 : 48;
  const isUnwritten = random.below(2) === 1 && ground.page === 4096;
  const mapped = ground.holes(pages, {}, { unwritten: isUnwritten });
  const { fs, inode, file, mapping } = mapped;
  const reader = ground.map(mapped, { prot: PROT_READ });
  const lanes = new Lanes(ground.page, pages);
  lanes.size = inode.size;
  fs.onTruncateBlocks = ({ size }) => {
    // The filesystem frees whole pages of the mapping: what is left of the last one stays mapped, and zero.
    const kept = Math.ceil(size / ground.page) * ground.blocksPerPage;
    for (const iblock of inode.blocks.keys()) if (iblock >= kept) fs.media(inode, iblock).fill(FREED);
  };
  const upheaval = new Upheaval(ground, mapped, reader, lanes, random);
  const workers = await Promise.all(Array.from({ length: THREADS }, () => FaultWorker.start(test)));
  // They have started.
  await Promise.all(workers.map((worker) => worker.settled()));
  const running = workers.map((worker, lane) => worker.call('storm', {
    handles: [mapping.handle, reader.handle], lane, seed: 1 + random.below(2 ** 31), page: ground.page, pages, shared: lanes.shared,
  }));
  let ended = 0;
  for (const run of running) run.then(() => ended++, () => ended++);

  const until = Date.now() + SECONDS * 1000;
  while (Date.now() < until && upheaval.failure === undefined && ended === 0) {
    await upheaval.step();
    // The logs are of no use here.
    fs.calls.length = fs.ends.length = fs.completions.length = 0;
    await delay(random.below(3));
  }
  lanes.stop();
  const results = await Promise.all(running);
  test.equal(upheaval.failure, undefined, `the owner: ${upheaval.failure ?? 'sees what may be seen'}`);
  for (const [lane, { failure }] of results.entries()) {
    // What is past the end of the file is lost all the time.
    const lost = workers[lane]?.losses.filter(({ code }) => code !== 'ENXIO').map(({ position, code }) => `, lost ${position}: ${code}`) ?? [];
    test.equal(failure, undefined, `thread ${lane}: ${failure ?? 'sees what may be seen'}${lost.join('')}`);
  }
  const sum = (count: (result: StormResult) => number) => results.map(count).reduce((a, b) => a + b);
  test.comment(`${sum(({ loads }) => loads)} loads, ${sum(({ stores }) => stores)} stores, ${sum(({ remaps }) => remaps)} remaps, unwritten: ${isUnwritten}`);
  test.comment([...upheaval.counts].map(([name, count]) => `${name} ${count}`).join(', '));

  await upheaval.grow();
  const bytes = new Uint8Array(pages * ground.page);
  file.readSync(bytes, 0);
  compare(test, lanes, new Uint32Array(bytes.buffer), upheaval, results);
  const fresh = await FaultWorker.start(test, mapping.handle, reader.handle);
  for (const index of [0, 1]) {
    const seen = await fresh.call('bytes', index, 0, bytes.byteLength);
    test.ok(Buffer.from(seen.buffer, seen.byteOffset, seen.byteLength).equals(bytes), 'another thread sees the same');
  }
  test.ok(Buffer.from(reader.buffer).equals(bytes), 'and the owner');
  fs.check([inode]);
}, 30 + 2 * SECONDS);
