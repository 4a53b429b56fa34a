// Every public call with every kind of wrong argument: a typed error, nothing written, the process alive.

import t from 'tap';
import { openSync, partition, type BlockDevice, type DaxDevice } from 'node-dax';
import { onEveryKind, scratchPath } from '../helpers/devices.js';
import { ON_HOST } from '../helpers/guest.js';

type Call = (device: DaxDevice, bad: never) => unknown;

const positions: [name: string, call: Call][] = [
  ['readSync', (device, bad) => device.readSync(Buffer.alloc(8), bad)],
  ['read', (device, bad) => device.read(Buffer.alloc(8), bad)],
  ['read large', (device, bad) => device.read(Buffer.alloc(1 << 20), bad)],
  ['writeSync', (device, bad) => device.writeSync(Buffer.alloc(8, 1), bad)],
  ['write', (device, bad) => device.write(Buffer.alloc(8, 1), bad)],
  ['write large', (device, bad) => device.write(Buffer.alloc(1 << 20, 1), bad)],
  ['readvSync', (device, bad) => device.readvSync([Buffer.alloc(8)], bad)],
  ['readv', (device, bad) => device.readv([Buffer.alloc(8)], bad)],
  ['writevSync', (device, bad) => device.writevSync([Buffer.alloc(8, 1)], bad)],
  ['writev', (device, bad) => device.writev([Buffer.alloc(8, 1)], bad)],
  ['zeroSync pos', (device, bad) => device.zeroSync(bad, 8)],
  ['zeroSync length', (device, bad) => device.zeroSync(0, bad)],
  ['flush pos', (device, bad) => { device.flush(bad, 8); }],
  ['flush length', (device, bad) => { device.flush(0, bad); }],
  ['persist pos', (device, bad) => { device.persist(bad, 8); }],
  ['persist length', (device, bad) => { device.persist(0, bad); }],
  ['view pos', (device, bad) => device.view(bad, 8)],
  ['view length', (device, bad) => device.view(0, bad)],
  ['truncateSync', (device, bad) => { device.truncateSync(bad); }],
  ['truncate', (device, bad) => device.truncate(bad)],
  ['partition start', (device, bad) => partition(device, bad, 8)],
  ['partition length', (device, bad) => partition(device, 0, bad)],
  ['directAccess sector', (device, bad) => device.directAccess(bad, 8)],
  ['offset', (device, bad) => device.writeSync(Buffer.alloc(8, 1), 0, { offset: bad })],
  ['length', (device, bad) => device.writeSync(Buffer.alloc(8, 1), 0, { length: bad })],
  ['read offset', (device, bad) => device.read(Buffer.alloc(1 << 20), 0, { offset: bad })],
  ['read length', (device, bad) => device.read(Buffer.alloc(1 << 20), 0, { length: bad })],
];

const buffers: [name: string, call: Call][] = [
  ['readSync', (device, bad) => device.readSync(bad, 0)],
  ['read', (device, bad) => device.read(bad, 0)],
  ['writeSync', (device, bad) => device.writeSync(bad, 0)],
  ['write', (device, bad) => device.write(bad, 0)],
  ['readvSync', (device, bad) => device.readvSync([bad], 0)],
  ['readv', (device, bad) => device.readv([Buffer.alloc(1), bad], 0)],
  ['writevSync', (device, bad) => device.writevSync([Buffer.alloc(1, 1), bad], 0)],
  ['writev', (device, bad) => device.writev([bad], 0)],
];

// Node's own classes and codes.
const WRONG_TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

const badNumbers: [unknown, typeof WRONG_TYPE][] = [
  ['1', WRONG_TYPE],
  [null, WRONG_TYPE],
  [{}, WRONG_TYPE],
  [[], WRONG_TYPE],
  [true, WRONG_TYPE],
  [Symbol('s'), WRONG_TYPE],
  [Number.NaN, OUT_OF_RANGE],
  [Number.POSITIVE_INFINITY, OUT_OF_RANGE],
  [-1, OUT_OF_RANGE],
  [1.5, OUT_OF_RANGE],
  [2 ** 53, OUT_OF_RANGE],
  [2n ** 53n, OUT_OF_RANGE],
  [2n ** 64n, OUT_OF_RANGE],
  [-1n, OUT_OF_RANGE],
];

function resizable(length: number): Uint8Array {
  const Resizable = ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer;
  return new Uint8Array(new Resizable(length, { maxByteLength: 2 * length })).fill(1);
}

function detached(length: number): Uint8Array {
  const view = new Uint8Array(length).fill(1);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

const LARGE = 1 << 20;
const badBuffers: [name: string, make: () => unknown][] = [
  ['undefined', () => undefined],
  ['null', () => null],
  ['a string', () => 'text'],
  ['an array', () => [1, 2, 3]],
  ['an ArrayBuffer', () => new ArrayBuffer(8)],
  ['an object that looks like a view', () => ({ buffer: new ArrayBuffer(8), byteOffset: 0, byteLength: 8, length: 8 })],
  ['a proxy of a view', () => new Proxy(Buffer.alloc(8), {})],
  ['a detached view', () => detached(8)],
  ['a large detached view', () => detached(LARGE)],
  ['a view of a SharedArrayBuffer', () => new Uint8Array(new SharedArrayBuffer(8)).fill(1)],
  ['a large view of a SharedArrayBuffer', () => new Uint8Array(new SharedArrayBuffer(LARGE)).fill(1)],
  ['a view of a resizable buffer', () => resizable(8)],
  ['a large view of a resizable buffer', () => resizable(LARGE)],
];

/** The name and code of the error that is thrown, or that the promise is rejected with. */
async function refusal(call: Call, device: DaxDevice, bad: unknown): Promise<string> {
  try {
    await call(device, bad as never);
    return 'none';
  } catch (error) {
    const { name, code } = error as NodeJS.ErrnoException;
    return `${name} ${code}`;
  }
}

// One assertion for all of them: to an emulated machine each is dear.
onEveryKind('wrong positions, lengths and buffers on', async (test, wanted) => {
  const device = wanted.open();
  device.zeroSync(0, 2 * LARGE);
  const wrong: string[] = [];
  for (const [name, call] of positions) {
    for (const [bad, { name: type, code }] of badNumbers) {
      const found = await refusal(call, device, bad);
      if (found !== `${type} ${code}`) wrong.push(`${name} of ${String(bad)}: ${found}`);
    }
  }
  for (const [name, call] of buffers) {
    for (const [what, make] of badBuffers) {
      const found = await refusal(call, device, make());
      if (!/^TypeError ERR_INVALID_ARG_(?:TYPE|VALUE)$/.test(found)) wrong.push(`${name} with ${what}: ${found}`);
    }
  }
  test.strictSame(wrong, [], 'each is refused by an error of its own');
  const untouched = Buffer.alloc(2 * LARGE, 1);
  device.readSync(untouched, 0);
  test.ok(untouched.equals(Buffer.alloc(2 * LARGE)), 'nothing was written');
});

t.test('wrong options', ON_HOST, async (test) => {
  const device = openSync(scratchPath(test), { size: 8192 });
  const bytes = Buffer.alloc(8, 1);
  for (const bad of [null, 1, 'x'] as never[]) {
    test.throws(() => device.writeSync(bytes, 0, bad), WRONG_TYPE);
    test.throws(() => device.readSync(bytes, 0, bad), WRONG_TYPE);
    await test.rejects(device.read(bytes, 0, bad), WRONG_TYPE);
    await test.rejects(device.write(bytes, 0, bad), WRONG_TYPE);
    test.throws(() => device.writeSync(bytes, 0, { flush: bad }), WRONG_TYPE);
    test.throws(() => device.writevSync([bytes], 0, { flush: bad }), WRONG_TYPE);
    test.throws(() => device.zeroSync(0, 1, { flush: bad }), WRONG_TYPE);
    await test.rejects(device.write(bytes, 0, { flush: bad }), WRONG_TYPE);
    await test.rejects(device.read(bytes, 0, { signal: bad }), WRONG_TYPE);
    test.throws(() => device.readvSync(bad), WRONG_TYPE);
    await test.rejects(device.writev(bad), WRONG_TYPE);
  }
  for (const range of [{ offset: 9 }, { length: 9 }, { offset: 4, length: 5 }]) {
    test.throws(() => device.writeSync(bytes, 0, range), OUT_OF_RANGE);
    await test.rejects(device.read(Buffer.alloc(8), 0, range), OUT_OF_RANGE);
  }
  test.equal(device.view().every((byte) => byte === 0), true);
});

t.test('the wrong this', ON_HOST, async (test) => {
  const device = openSync(scratchPath(test), { size: 8192 });
  const part = partition(device, 0, 8);
  for (const owner of [device, part] as BlockDevice[]) {
    const prototype = Object.getPrototypeOf(owner) as object;
    for (const name of [...Object.getOwnPropertyNames(prototype), Symbol.dispose, Symbol.asyncDispose]) {
      const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
      // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the wrong `this` on purpose
      const method = (descriptor?.get ?? descriptor?.value) as ((...args: unknown[]) => unknown) | undefined;
      if (name === 'constructor' || method === undefined) continue;
      for (const receiver of [undefined, {}, Object.create(device), part === owner ? device : part]) {
        const call = async () => {
          const result = await Reflect.apply(method, receiver, [Buffer.alloc(1), 0]);
          // A generator does nothing before it is asked for its first value.
          return name === 'windows' ? (result as Iterator<unknown>).next() : result;
        };
        await test.rejects(call(), TypeError, String(name));
      }
    }
  }
  test.equal(device.isOpen, true);
  await device.close();
});
