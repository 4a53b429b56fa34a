// The images after a power cut: what they are in small cases, all that a machine of caches can leave, and nothing else.

import t, { type Test } from 'tap';
import { crashImages, RecordingDevice, seeded, type CrashImage, type Trace } from 'node-dax/testkit';

const SIZE = 4096;

function traced(work: (device: RecordingDevice) => void): Trace {
  const device = new RecordingDevice(SIZE, Buffer.alloc(SIZE, '.'));
  device.startTrace();
  work(device);
  return device.endTrace();
}

const store = (device: RecordingDevice, pos: number, text: string) => {
  device.writeSync(Buffer.from(text), pos, { flush: false });
};

/** The distinct images at each point, as the text from 0 to `length`. */
function imagesOf(trace: Trace, length: number, limit?: number): Map<number, string[]> {
  const found = new Map<number, string[]>();
  for (const image of crashImages(trace, limit === undefined ? {} : { limit })) {
    const text = Buffer.from(image.content.subarray(0, length)).toString('latin1');
    const at = found.get(image.at) ?? [];
    if (!at.includes(text)) at.push(text);
    found.set(image.at, at.sort());
  }
  return found;
}

t.test('stores in one line come in order, split at words', (t) => {
  const trace = traced((device) => {
    store(device, 4, 'aaaabbbbbbbb');
    device.persist(0, 64);
    device.mark('x', 'begin');
    store(device, 0, '1');
    device.mark('x', 'end');
  });
  t.strictSame(
    [...imagesOf(trace, 16)],
    [
      // The fence of the persist, the end of the operation, and the end.
      [2, ['................', '....aaaa........', '....aaaabbbbbbbb']],
      [5, ['....aaaabbbbbbbb', '1...aaaabbbbbbbb']],
      [6, ['....aaaabbbbbbbb', '1...aaaabbbbbbbb']],
    ],
  );
  t.end();
});

t.test('lines come in any order', (t) => {
  const trace = traced((device) => {
    store(device, 64, 'B');
    store(device, 0, 'A');
    device.drain();
  });
  const both = [...imagesOf(trace, 65)].map(([at, texts]) => [at, texts.map((text) => text.replace(/\.+/, '-'))]);
  t.strictSame(both, [
    [2, ['-', '-B', 'A-', 'A-B']],
    // The fence took nothing away: nothing was flushed.
    [3, ['-', '-B', 'A-', 'A-B']],
  ]);
  t.end();
});

t.test('stores to one word come in order', (t) => {
  const trace = traced((device) => {
    for (const letter of 'abc') store(device, 8, letter);
    device.flush(8, 1);
    store(device, 8, 'd');
    device.drain();
  });
  t.strictSame([...imagesOf(trace, 9)].map(([, texts]) => texts.map((text) => text.at(-1)).join('')), ['.abcd', 'cd']);
  t.end();
});

t.test('a store that changes nothing counts for nothing', (t) => {
  const trace = traced((device) => {
    device.writeSync(Buffer.alloc(1024, '.'), 0);
    store(device, 0, 'x');
    store(device, 0, 'x');
  });
  t.strictSame([...imagesOf(trace, 1)], [
    [2, ['.']],
    [5, ['.', 'x']],
  ]);
  t.end();
});

t.test('stores through a window have no order until the next call', (t) => {
  const trace = traced((device) => {
    const { window } = device.directAccess(0, 4096);
    window.set(Buffer.from('aaaaaaaabbbbbbbb'));
    device.mark('x', 'begin');
    window.set(Buffer.from('cccccccc'), 16);
  });
  const texts = imagesOf(trace, 24).get(4) ?? [];
  t.strictSame(texts.map((text) => text.replace(/(.)\1{7}/g, '$1')), ['...', '.b.', 'a..', 'ab.', 'abc']);
  t.end();
});

/** A machine whose caches write a line back after the stores that they are told, and at a fence if it was flushed. */
class Machine {
  readonly medium = Buffer.alloc(SIZE, '.');
  readonly #memory = Buffer.alloc(SIZE, '.');
  // The contents of each line since the medium had it last, after each store to it.
  readonly #history = new Map<number, Buffer[]>();
  readonly #flushed = new Map<number, Buffer>();
  readonly #evicts: (store: number) => boolean;
  #stores = 0;

  constructor(evicts: (store: number) => boolean) {
    this.#evicts = evicts;
  }

  store(pos: number, text: string): void {
    const line = Math.floor(pos / 64);
    this.#memory.write(text, pos);
    this.#history.set(line, [...(this.#history.get(line) ?? []), this.#content(line)]);
    if (!this.#evicts(this.#stores++)) return;
    this.#content(line).copy(this.medium, line * 64);
    this.#history.delete(line);
  }

  flush(line: number): void {
    this.#flushed.set(line, this.#content(line));
  }

  fence(): void {
    for (const [line, content] of this.#flushed) {
      // Unless the line went to the medium later, with later stores.
      const history = this.#history.get(line) ?? [];
      const at = history.findIndex((one) => one.equals(content));
      if (at < 0) continue;
      content.copy(this.medium, line * 64);
      history.splice(0, at + 1);
    }
    this.#flushed.clear();
  }

  #content(line: number): Buffer {
    return Buffer.from(this.#memory.subarray(line * 64, line * 64 + 64));
  }
}

t.test('the images are what a machine of caches leaves, all of it and nothing else', (t) => {
  const STORES = 7;
  const seed = Date.now() % 1_000_000;
  const random = seeded(seed);
  for (let round = 0; round < 200; round++) {
    // Stores of one byte in three lines, each told from all others.
    type Step = (device: RecordingDevice | Machine) => void;
    const steps: Step[] = [];
    for (let stores = 0; stores < STORES; ) {
      const line = random(3);
      const kind = random(5);
      if (kind < 3) {
        const pos = line * 64 + random(3) * 8;
        const text = String.fromCharCode(0x61 + stores++);
        steps.push((on) => { if (on instanceof Machine) on.store(pos, text); else store(on, pos, text); });
      } else if (kind === 3) {
        steps.push((on) => { if (on instanceof Machine) on.flush(line); else on.flush(line * 64, 1); });
      } else steps.push((on) => { if (on instanceof Machine) on.fence(); else on.drain(); });
    }
    const trace = traced((device) => { for (const step of steps) step(device); });
    const images = imagesOf(trace, 192).get(trace.events.length);
    // A line that is written back at any time holds what it holds after its last store before.
    const left = new Set<string>();
    for (let choice = 0; choice < 2 ** STORES; choice++) {
      const machine = new Machine((index) => Math.floor(choice / 2 ** index) % 2 === 1);
      for (const step of steps) step(machine);
      left.add(machine.medium.toString('latin1', 0, 192));
    }
    if (JSON.stringify(images) !== JSON.stringify([...left].sort())) {
      t.strictSame(images, [...left].sort(), `seed ${seed}, round ${round}`, { events: trace.events });
    }
  }
  t.pass(`seed ${seed}`);
  t.end();
});

/** How many images differ from both ends by what. */
function survey(t: Test, trace: Trace, limit?: number): { images: CrashImage[]; texts: Set<string> } {
  const texts = new Set<string>();
  const images: CrashImage[] = [];
  const hashes = new Map<number, string>();
  for (const image of crashImages(trace, limit === undefined ? {} : { limit })) {
    const text = Buffer.from(image.content).toString('latin1');
    const same = hashes.get(image.hash);
    if (same !== undefined && same !== text) t.fail('two contents with one hash');
    if (same === undefined && texts.has(text)) t.fail('two hashes of one content');
    hashes.set(image.hash, text);
    texts.add(text);
    images.push(image);
  }
  return { images, texts };
}

t.test('images have one hash exactly if they have one content', (t) => {
  const random = seeded(5);
  const trace = traced((device) => {
    // Few words and few letters, so contents come again.
    for (let i = 0; i < 60; i++) {
      store(device, random(3) * 64 + random(2) * 8 + random(2), 'ab'[random(2)] ?? '');
      if (random(4) === 0) device.persist(random(3) * 64, 1);
    }
  });
  const { images, texts } = survey(t, trace);
  t.ok(images.length > 2 * texts.size && texts.size > 50, `${images.length} images, ${texts.size} contents`);
  t.end();
});

t.test('above eight pieces: at most two, all but at most two, the first ones, the last ones, and some', (t) => {
  const LINES = 12;
  const trace = traced((device) => {
    for (let line = 0; line < LINES; line++) store(device, line * 64, 'x');
    for (let line = 0; line < LINES; line++) store(device, line * 64 + 8, 'y');
  });
  const { texts } = survey(t, trace);
  const has = (choose: (line: number, which: 'x' | 'y') => boolean) => {
    const image = Buffer.alloc(SIZE, '.');
    for (let line = 0; line < LINES; line++) {
      if (choose(line, 'x')) image.write('x', line * 64);
      if (choose(line, 'y')) image.write('y', line * 64 + 8);
    }
    return texts.has(image.toString('latin1'));
  };
  t.ok(has(() => false), 'none');
  t.ok(has(() => true), 'all');
  for (let a = 0; a < LINES; a++) {
    t.ok(has((line, which) => line === a && which === 'x'), 'one');
    t.ok(has((line) => line === a), 'two of one line');
    t.ok(has((line, which) => line !== a || which !== 'y'), 'all but one');
    t.ok(has((line) => line !== a), 'all but two of one line');
    t.ok(has((line, which) => which === 'x' && line <= a), 'the first');
    t.ok(has((line, which) => which === 'x' || line <= a), 'the first');
    t.ok(has((line) => line > a), 'the last, of which none needs what is missing');
    for (let b = 0; b < a; b++) {
      t.ok(has((line, which) => which === 'x' && (line === a || line === b)), 'two');
      t.ok(has((line, which) => which === 'x' || (line !== a && line !== b)), 'all but two');
    }
  }
  const pairs = (LINES * (LINES - 1)) / 2;
  const counted = 2 + 2 * (LINES + LINES + pairs) + 3 * LINES;
  t.ok(texts.size > counted && texts.size <= counted + 64, `${texts.size} images, of which ${counted} are counted`);
  t.end();
});

t.test('many stores do not make more images than one can look at', (t) => {
  const trace = traced((device) => { store(device, 0, 'x'.repeat(4096)); });
  const { images, texts } = survey(t, trace, 100);
  t.ok(texts.size > 400 && images.length < 1000, `${texts.size} of ${images.length}`);
  t.strictSame(
    images.map(({ hash }) => hash),
    survey(t, trace, 100).images.map(({ hash }) => hash),
    'and these are the same again',
  );
  t.end();
});

t.test('an image says what was lost', (t) => {
  const trace = traced((device) => {
    store(device, 0, 'aaaaaaaabbbbbbbb');
    store(device, 100, 'c');
    device.persist(0, 128);
  });
  const texts: string[] = [];
  for (const image of crashImages(trace)) texts.push(image.describe());
  t.strictSame(texts.sort(), [
    'at the end of the trace, with nothing in flight',
    'before event 3 (fence), of 3 pieces in flight all were kept',
    'before event 3 (fence), of 3 pieces in flight none was kept: 16 bytes at 0 (event 0), 1 byte at 100 (event 1)',
    'before event 3 (fence), of 3 pieces in flight only these were kept: 1 byte at 100 (event 1)',
    'before event 3 (fence), of 3 pieces in flight only these were kept: 8 bytes at 0 (event 0)',
    'before event 3 (fence), of 3 pieces in flight these were lost: 1 byte at 100 (event 1)',
    'before event 3 (fence), of 3 pieces in flight these were lost: 8 bytes at 8 (event 0)',
  ]);
  t.end();
});
