import '../helpers/assert-locks.js';

import { spawnSync } from 'node:child_process';
import t from 'tap';
import { asOperation, daxDoIoAsync, DIO_LOCKING, Inode, RwLock, type LockRank } from 'node-dax';
import { latch } from '../helpers/memory-device.js';
import { Tfs } from '../helpers/tfs.js';

const ORDER: readonly LockRank[] = ['ilock', 'inval', 'page entry', 'filesystem'];

for (const [outer, outerRank] of ORDER.entries()) {
  for (const [inner, innerRank] of ORDER.entries()) {
    t.test(`the order of locks decides about ${innerRank} inside ${outerRank} (LK-1)`, async (test) => {
      const isRight = inner >= outer;
      const wrong = { message: `LK-1: ${innerRank} inside ${outerRank}: the order of locks is ${ORDER.join(', ')}` };
      for (const form of ['Shared', 'Exclusive'] as const) {
        const first = new RwLock(outerRank);
        const second = new RwLock(innerRank);
        const waits = form === 'Shared' ? 'shared' : 'exclusive';
        first[`try${form}`]();
        if (isRight) {
          test.ok(second[`try${form}`]());
          second[`release${form}`]();
          await second[waits]();
          second[`release${form}`]();
        } else {
          test.throws(() => second[`try${form}`](), wrong);
          await test.rejects(second[waits](), wrong);
          test.ok(asOperation(() => new RwLock(innerRank).tryExclusive()), 'another operation holds nothing');
        }
        first[`release${form}`]();
        if (isRight) continue;
        test.ok(second.tryExclusive(), 'what was refused was not taken, and after the outer lock is free it may be');
        second.releaseExclusive();
      }
    });
  }
}

t.test('an operation cannot take a lock that it holds already (LK-1)', async (test) => {
  const lock = new RwLock('ilock');
  const again = { message: 'LK-1: the operation holds this ilock already' };
  await asOperation(async () => {
    await lock.shared();
    test.throws(() => lock.tryShared(), again);
    await test.rejects(lock.shared(), again, 'with a writer between them it would wait for itself');
    await test.rejects(lock.exclusive(), again);
    lock.releaseShared();
    await lock.exclusive();
    await test.rejects(lock.shared(), again, 'instead of waiting for ever');
    lock.releaseExclusive();
  });
  test.ok(lock.tryExclusive());
  lock.releaseExclusive();
});

t.test('each operation has its own locks, whatever comes at its awaits (LK-1)', async (test) => {
  const inode = new Tfs().inode();
  const [parked, park] = latch();
  const [resumed, resume] = latch();
  const truncation = asOperation(async () => {
    await inode.inval.exclusive();
    park();
    await resumed;
    await test.rejects(inode.ilock.shared(), /ilock inside inval/, 'its own are remembered through its awaits');
    inode.inval.releaseExclusive();
    await inode.ilock.shared();
    inode.ilock.releaseShared();
  });
  await parked;
  const other = asOperation(async () => {
    await inode.ilock.exclusive();
    // Waits for the truncation, and holds it from then on.
    const waiting = inode.inval.shared();
    inode.ilock.releaseExclusive();
    resume();
    await waiting;
    await test.rejects(inode.ilock.shared(), /ilock inside inval/);
    inode.inval.releaseShared();
  });
  await Promise.all([truncation, other]);
  test.ok(inode.ilock.tryExclusive() && inode.inval.tryExclusive());
  inode.inval.releaseExclusive();
  inode.ilock.releaseExclusive();
});

t.test('another operation may let a lock go (LK-1)', async (test) => {
  const lock = new RwLock('inval');
  const [taken, take] = latch();
  const [released, release] = latch();
  const first = asOperation(async () => {
    await lock.shared();
    take();
    await released;
    test.ok(new RwLock('ilock').tryShared(), 'is its no longer');
  });
  await taken;
  lock.releaseShared();
  release();
  await first;
});

t.test("what a filesystem's callbacks do is part of the operation that calls them (LK-1)", async (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(Buffer.alloc(8192, 'a'));
  const other = tfs.fileOf(Buffer.alloc(8192, 'b'));
  const takes = [() => other.readSync(Buffer.alloc(1), 0), () => other.writeSync(Buffer.alloc(1), 0)];
  for (const take of takes) {
    tfs.onTruncateBlocks = (inode) => {
      if (inode === file.inode) take();
    };
    test.throws(() => { file.truncateSync(file.size - 1); }, /LK-1: ilock inside inval/);
    await test.rejects(file.truncate(file.size - 1), /LK-1: ilock inside inval/);
    tfs.onTruncateBlocks = undefined;
  }
  const own = new RwLock('filesystem');
  let moved = 0;
  tfs.onGetBlock = (inode) => {
    if (inode === file.inode) {
      test.ok(own.tryExclusive());
      own.releaseExclusive();
      moved += other.readSync(Buffer.alloc(5), 0);
    }
    return undefined;
  };
  tfs.forget(file);
  test.equal(file.readSync(Buffer.alloc(20), 0), 20);
  test.equal(moved, 5, 'the lock of another inode has the same rank');
  tfs.forget(file);
  tfs.onGetBlock = (inode) => {
    if (inode !== file.inode) return undefined;
    own.tryExclusive();
    try {
      other.readSync(Buffer.alloc(5), 0);
    } finally {
      own.releaseExclusive();
    }
    return undefined;
  };
  test.throws(() => file.readSync(Buffer.alloc(20), 0), /LK-1: ilock inside filesystem/);
  await test.rejects(file.read(Buffer.alloc(20), 0), /LK-1: ilock inside filesystem/);
  tfs.onGetBlock = undefined;
  test.equal(await file.read(Buffer.alloc(20), 0), 20, 'nothing is held afterwards');
  const { inode } = file;
  test.ok(inode.inval.tryExclusive());
  const locked = { message: /LK-1: ilock inside inval/ };
  test.throws(() => file.readSync(Buffer.alloc(1), 0), locked);
  test.throws(() => file.writeSync(Buffer.alloc(1), 0), locked);
  const { getBlock } = tfs.operations;
  const pending = daxDoIoAsync('read', inode, Buffer.alloc(1), 0, getBlock, undefined, DIO_LOCKING);
  test.equal(await pending, 1, 'what waits is an operation of its own');
  inode.inval.releaseExclusive();
});

t.test('where the variable is not set nothing is asserted', (test) => {
  const program = `
    const { RwLock, asOperation } = require('node-dax');
    const inner = new RwLock('inval');
    inner.tryShared();
    console.log(new RwLock('ilock').tryShared(), inner.tryShared(), asOperation(() => 5));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--eval', program], {
    env: { ...process.env, NODE_DAX_ASSERT_LOCKS: undefined },
    encoding: 'utf8',
  });
  test.strictSame({ stdout, stderr }, { stdout: 'true true 5\n', stderr: '' });
  test.end();
});

t.test('the locks of an inode have their ranks', (test) => {
  const { ilock, inval } = new Inode(new Tfs().sb, 1);
  test.strictSame([ilock.rank, inval.rank], ['ilock', 'inval']);
  test.end();
});
