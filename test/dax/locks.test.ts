import t, { type Test } from 'tap';
import { setImmediate } from 'node:timers/promises';
import { daxDoIo, daxDoIoAsync, DIO_LOCKING, loopTurn, openSync, RwLock, type DaxFile } from 'node-dax';
import { scratchPath } from '../helpers/devices.js';
import { latch } from '../helpers/memory-device.js';
import { isFree, Tfs } from '../helpers/tfs.js';
import { watch } from '../helpers/watchdog.js';

const KIB = 1024;
// Large enough for another thread.
const LARGE = 512 * KIB;
const zeros = (length: number) => Buffer.alloc(length);
const filled = (length: number, byte: number | string) => Buffer.alloc(length, byte);

function contents(file: DaxFile): Buffer {
  const bytes = zeros(file.size);
  file.readSync(bytes, 0);
  return bytes;
}

function checkFree(test: Test, { inode }: DaxFile): void {
  test.ok(isFree(inode), 'no lock is held, no I/O counted');
}

// What an operation makes of a file of LARGE bytes 'a', of which [0, LARGE) is written with 'w' before it.
interface Operation {
  start: (file: DaxFile) => Promise<unknown>;
  startSync: (file: DaxFile) => unknown;
  /** What it leaves, and returns if that is a buffer. */
  outcome: (file: DaxFile, result: unknown) => boolean;
}

const w = (length: number) => filled(length, 'w');

const EXCLUDED: Record<string, Operation> = {
  write: {
    start: (file) => file.write(filled(10, 'n'), 5),
    startSync: (file) => file.writeSync(filled(10, 'n'), 5),
    outcome: (file) => contents(file).equals(Buffer.concat([w(5), filled(10, 'n'), w(LARGE - 15)])),
  },
  'large write': {
    start: (file) => file.write(filled(LARGE, 'n'), 0),
    startSync: (file) => file.writeSync(filled(LARGE, 'n'), 0),
    outcome: (file) => contents(file).equals(filled(LARGE, 'n')),
  },
  append: {
    start: (file) => file.append(filled(10, 'n')),
    startSync: (file) => file.appendSync(filled(10, 'n')),
    outcome: (file) => contents(file).equals(Buffer.concat([w(LARGE), filled(10, 'n')])),
  },
  'truncate down': {
    start: (file) => file.truncate(100),
    startSync: (file) => {
      file.truncateSync(100);
    },
    outcome: (file) => contents(file).equals(w(100)),
  },
  'truncate up': {
    start: (file) => file.truncate(LARGE + 100),
    startSync: (file) => {
      file.truncateSync(LARGE + 100);
    },
    outcome: (file) => contents(file).equals(Buffer.concat([w(LARGE), zeros(100)])),
  },
  punch: {
    start: (file) => file.punchHole(100, 10_000),
    startSync: (file) => {
      file.punchHoleSync(100, 10_000);
    },
    outcome: (file) => contents(file).equals(Buffer.concat([w(100), zeros(10_000), w(LARGE - 10_100)])),
  },
  zero: {
    start: (file) => file.zeroRange(100, 10_000),
    startSync: (file) => {
      file.zeroRangeSync(100, 10_000);
    },
    outcome: (file) => contents(file).equals(Buffer.concat([w(100), zeros(10_000), w(LARGE - 10_100)])),
  },
};

const READ: Operation = {
  start: async (file) => {
    const target = zeros(1000);
    await file.read(target, 0);
    return target;
  },
  startSync: (file) => file.readSync(zeros(1000), 0),
  outcome: (_file, result) => w(1000).equals(result as Buffer),
};

function state({ inode }: DaxFile): unknown {
  const { size, mode, atimeMs, mtimeMs, ctimeMs } = inode;
  return { size, mode, atimeMs, mtimeMs, ctimeMs };
}

for (const [name, operation] of Object.entries({ ...EXCLUDED, read: READ })) {
  t.test(`while a write copies, a ${name} waits (LK-4)`, async (test) => {
    const tfs = new Tfs();
    const file = tfs.fileOf(filled(LARGE, 'a'));
    const parked = tfs.device.park();
    const writing = file.write(w(LARGE), 0);
    await parked.arrived;
    file.inode.atimeMs = file.inode.mtimeMs = file.inode.ctimeMs = 1;
    const before = state(file);
    test.throws(() => operation.startSync(file), { code: 'EAGAIN' }, 'the synchronous form cannot');
    test.strictSame(state(file), before, 'and leaves all as it was');
    const calls = tfs.calls.length;
    let done = false;
    const waiting = operation.start(file).finally(() => (done = true));
    await setImmediate();
    await setImmediate();
    test.notOk(done);
    test.strictSame(state(file), before, 'what waits has changed nothing');
    test.equal(tfs.calls.length, calls);
    test.ok(tfs.device.memory.subarray(0, LARGE).every((byte) => byte === 0x61), 'the parked write has not moved');
    parked.resume();
    test.equal(await writing, LARGE);
    const result = await waiting;
    test.ok(operation.outcome(file, result));
    checkFree(test, file);
    tfs.unlink(file.inode);
    test.equal(tfs.freeBlocks, tfs.blockCount);
  });
}

for (const [name, operation] of Object.entries(EXCLUDED)) {
  t.test(`while a read copies, a ${name} waits (LK-4)`, async (test) => {
    const tfs = new Tfs();
    const file = tfs.fileOf(w(LARGE));
    const parked = tfs.device.park();
    const target = zeros(LARGE);
    const reading = file.read(target, 0);
    await parked.arrived;
    const before = state(file);
    test.throws(() => operation.startSync(file), { code: 'EAGAIN' });
    test.strictSame(state(file), before);
    test.equal(file.readSync(zeros(100), 0), 100, 'another read goes on');
    test.equal(await file.read(zeros(100), 0), 100);
    let done = false;
    const waiting = operation.start(file).finally(() => (done = true));
    await setImmediate();
    test.notOk(done);
    parked.resume();
    test.equal(await reading, LARGE);
    test.ok(target.equals(w(LARGE)), 'the read saw nothing of it');
    await waiting;
    test.ok(operation.outcome(file, undefined));
    checkFree(test, file);
  });
}

t.test('truncation waits for a read, whose blocks go to another file afterwards (LK-4)', async (test) => {
  const tfs = new Tfs({ blocksPerDevice: LARGE / 4096 });
  const file = tfs.fileOf(w(LARGE));
  const target = zeros(LARGE);
  const parked = tfs.device.park();
  const reading = file.read(target, 0);
  await parked.arrived;
  const truncating = file.truncate(0);
  const other = tfs.file();
  test.throws(() => other.writeSync(filled(10, 'o'), 0), { code: 'ENOSPC' });
  parked.resume();
  await truncating;
  other.writeSync(filled(LARGE, 'o'), 0);
  test.equal(await reading, LARGE);
  test.ok(target.equals(w(LARGE)));
  test.ok(contents(other).equals(filled(LARGE, 'o')));
});

t.test('truncation waits for a large read that other threads copy (LK-4)', async (test) => {
  const MIB = 1024 * KIB;
  const device = openSync(scratchPath(test, '/dev/shm'), { size: 256 * MIB });
  test.teardown(() => device.close());
  // Room for one such file at a time: what the truncation frees is what the other gets.
  const tfs = new Tfs({ devices: [device], blocksPerDevice: (64 * MIB) / 4096 });
  const file = tfs.file();
  const chunk = (n: number) => filled(MIB, 1 + n);
  for (let n = 0; n < 64; n++) file.writeSync(chunk(n), n * MIB);
  const other = tfs.file();
  test.throws(() => other.writeSync(w(1), 0), { code: 'ENOSPC' });
  const target = zeros(64 * MIB);
  const order: string[] = [];
  const reading = file.read(target, 0).finally(() => order.push('read'));
  const truncating = file.truncate(0).finally(() => order.push('truncate'));
  const writing = truncating.then(() => other.write(filled(64 * MIB, 'o'), 0));
  test.throws(() => file.writeSync(w(1), 0), { code: 'EAGAIN' }, 'it is in flight');
  test.equal(await reading, 64 * MIB);
  test.equal(await writing, 64 * MIB);
  test.strictSame(order, ['read', 'truncate']);
  const wrong = Array.from({ length: 64 }, (_, n) => n).filter((n) => !target.subarray(n * MIB, (n + 1) * MIB).equals(chunk(n)));
  test.strictSame(wrong, [], 'the whole file as it was, and nothing of the other');
  test.equal(file.size, 0);
  checkFree(test, file);
});

t.test('truncation waits for I/O that locks nothing (TR-6)', async (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(w(LARGE));
  for (const start of [() => file.truncate(0), () => file.punchHole(0, LARGE), () => file.zeroRange(0, LARGE)]) {
    const parked = tfs.device.park();
    const target = zeros(LARGE);
    const reading = daxDoIoAsync('read', file.inode, target, 0, tfs.operations.getBlock);
    await parked.arrived;
    for (const sync of ['truncateSync', 'punchHoleSync', 'zeroRangeSync'] as const) {
      test.throws(() => {
        file[sync](0, LARGE);
      }, { code: 'EAGAIN' }, sync);
    }
    let done = false;
    const waiting = start().finally(() => (done = true));
    await setImmediate();
    test.notOk(done);
    test.ok(file.inode.ilock.isHeldExclusive);
    parked.resume();
    test.equal(await reading, LARGE);
    test.ok(target.equals(w(LARGE)));
    await waiting;
    checkFree(test, file);
    file.truncateSync(0);
    file.writeSync(w(LARGE), 0);
  }
});

t.test('DIO_LOCKING waits for a writer, without it nothing does (IO-2)', async (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(w(100));
  const { inode } = file;
  const { getBlock } = tfs.operations;
  test.ok(inode.ilock.tryExclusive());
  test.throws(() => daxDoIo('read', inode, zeros(10), 0, getBlock, undefined, DIO_LOCKING), { code: 'EAGAIN' });
  let done = false;
  const waiting = daxDoIoAsync('read', inode, zeros(10), 0, getBlock, undefined, DIO_LOCKING).finally(() => (done = true));
  test.equal(daxDoIo('read', inode, zeros(10), 0, getBlock), 10);
  test.equal(await daxDoIoAsync('read', inode, zeros(10), 0, getBlock), 10);
  test.equal(daxDoIo('write', inode, filled(10, 'w'), 0, getBlock, undefined, DIO_LOCKING), 10, 'a writer holds it');
  await setImmediate();
  test.notOk(done);
  inode.size = 5;
  inode.ilock.releaseExclusive();
  test.equal(await waiting, 5, 'i_size is looked at when the lock is held');
  checkFree(test, file);
});

t.test('every operation from within getBlock and endIo of a write', async (test) => {
  for (const [name, operation] of Object.entries({ ...EXCLUDED, read: READ })) {
    for (const hook of ['onGetBlock', 'onEndIo'] as const) {
      for (const form of ['write', 'writeSync'] as const) {
        const tfs = new Tfs();
        const file = tfs.fileOf(filled(LARGE, 'a'));
        let waiting: Promise<unknown> | undefined;
        tfs[hook] = () => {
          if (waiting !== undefined) return undefined;
          test.throws(() => operation.startSync(file), { code: 'EAGAIN' }, `${name} in ${hook}`);
          waiting = operation.start(file);
          return undefined;
        };
        test.equal(await file[form](w(LARGE), 0), LARGE);
        test.ok(operation.outcome(file, await waiting));
        checkFree(test, file);
        tfs.unlink(file.inode);
        test.equal(tfs.freeBlocks, tfs.blockCount);
      }
    }
  }
});

t.test('every operation from within the getBlock of a read', async (test) => {
  for (const [name, operation] of Object.entries(EXCLUDED)) {
    const tfs = new Tfs();
    const file = tfs.fileOf(w(LARGE));
    let waiting: Promise<unknown> | undefined;
    tfs.onGetBlock = () => {
      if (waiting !== undefined) return undefined;
      test.throws(() => operation.startSync(file), { code: 'EAGAIN' }, name);
      waiting = operation.start(file);
      return undefined;
    };
    const target = zeros(LARGE);
    test.equal(file.readSync(target, 0), LARGE);
    test.ok(target.equals(w(LARGE)));
    await waiting;
    test.ok(operation.outcome(file, undefined));
    checkFree(test, file);
  }
});

t.test('what waits behind a failing operation goes on', async (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(filled(LARGE, 'a'));
  const parked = tfs.device.park();
  tfs.device.failAt(0, 'EFAULT');
  const failing = file.write(w(LARGE), 0);
  await parked.arrived;
  const waiting = file.truncate(100);
  parked.resume();
  await test.rejects(failing, { code: 'EFAULT' });
  tfs.device.heal();
  await waiting;
  test.equal(file.size, 100);
  checkFree(test, file);
});

t.test('an abort while waiting for a lock', async (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(filled(LARGE, 'a'));
  const reason = new Error('enough');
  for (const start of [
    (signal: AbortSignal) => file.write(w(10), 0, { signal }),
    (signal: AbortSignal) => file.append(w(10), { signal }),
    (signal: AbortSignal) => file.read(zeros(10), 0, { signal }),
  ]) {
    const parked = tfs.device.park();
    const writing = file.write(filled(LARGE, 'a'), 0);
    await parked.arrived;
    const before = state(file);
    const abort = new AbortController();
    const waiting = start(abort.signal);
    abort.abort(reason);
    await test.rejects(waiting, { name: 'AbortError', code: 'ABORT_ERR', cause: reason, bytesMoved: 0 }, 'it ends at once');
    test.strictSame(state(file), before);
    parked.resume();
    await writing;
    test.ok(contents(file).equals(filled(LARGE, 'a')));
    checkFree(test, file);
  }
});

t.test('RwLock: first come, first served', async (test) => {
  const lock = new RwLock();
  const order: string[] = [];
  await lock.shared();
  test.ok(lock.tryShared(), 'readers share');
  test.notOk(lock.tryExclusive());
  const take = async (name: string, shared: boolean) => {
    await (shared ? lock.shared() : lock.exclusive());
    order.push(name);
  };
  const all = [take('w1', false), take('r1', true), take('r2', true), take('w2', false), take('r3', true)];
  test.notOk(lock.tryShared(), 'a waiting writer keeps readers out');
  lock.releaseShared();
  await setImmediate();
  test.strictSame(order, []);
  lock.releaseShared();
  await setImmediate();
  test.strictSame(order, ['w1']);
  test.ok(lock.isHeldExclusive);
  lock.releaseExclusive();
  test.notOk(lock.tryExclusive(), 'it is taken on behalf of those who are woken');
  await setImmediate();
  test.strictSame(order, ['w1', 'r1', 'r2']);
  lock.releaseShared();
  lock.releaseShared();
  await setImmediate();
  lock.releaseExclusive();
  await Promise.all(all);
  test.strictSame(order, ['w1', 'r1', 'r2', 'w2', 'r3']);
  lock.releaseShared();
  test.ok(lock.tryExclusive());
  lock.releaseExclusive();
  test.ok(lock.tryShared());
});

t.test('RwLock: who gives up keeps nobody out', async (test) => {
  const lock = new RwLock();
  const reason = new Error('enough');
  const abort = new AbortController();
  const late = new AbortController();
  test.ok(lock.tryShared());
  const writer = lock.exclusive(abort.signal);
  const reader = lock.shared(late.signal);
  const [last, reach] = latch();
  const second = lock.exclusive().then(reach);
  abort.abort(reason);
  await test.rejects(writer, { name: 'AbortError', cause: reason });
  await reader;
  late.abort(reason);
  await test.rejects(lock.shared(late.signal), { name: 'AbortError', cause: reason }, 'before the start');
  lock.releaseShared();
  test.notOk(lock.isHeldExclusive, 'an abort that comes late takes nothing back');
  lock.releaseShared();
  await last;
  await second;
  test.ok(lock.isHeldExclusive);
  lock.releaseExclusive();
  test.ok(lock.tryExclusive());
});

t.test('RwLock: of very many who wait, any may give up, and the rest have their turn', async (test) => {
  watch(test);
  const lock = new RwLock();
  test.ok(lock.tryExclusive());
  const ending = new AbortController();
  const order: number[] = [];
  const waiting = Array.from({ length: 4000 }, async (_, index) => {
    // Every other one gives up.
    await lock.exclusive(index % 2 === 0 ? ending.signal : undefined);
    order.push(index);
    lock.releaseExclusive();
  });
  ending.abort('enough');
  lock.releaseExclusive();
  const settled = await Promise.allSettled(waiting);
  test.ok(settled.every(({ status }, index) => status === (index % 2 === 0 ? 'rejected' : 'fulfilled')));
  test.ok(order.length === 2000 && order.every((who, place) => who === 2 * place + 1));
  test.ok(lock.tryExclusive());
});

t.test('RwLock: an abort while it gives way to the event loop', async (test) => {
  watch(test);
  const lock = new RwLock();
  for (const form of ['shared', 'exclusive'] as const) {
    const ending = new AbortController();
    // Takes all there is of this turn, so the next one has to wait for the loop.
    while (loopTurn() === undefined);
    const taking = lock[form](ending.signal);
    test.notOk(lock.tryExclusive(), 'who gives way has it already');
    ending.abort('enough');
    await test.rejects(taking, { name: 'AbortError', cause: 'enough' });
    test.ok(lock.tryExclusive(), 'and gives it back');
    lock.releaseExclusive();
  }
});
