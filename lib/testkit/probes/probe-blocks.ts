// Owns the probes of getBlock's contract that the witness cannot check: several calls whose answers must agree.

import { expect, PAGE, type Probe } from '../filesystem/probe.js';
import { bytesOf, contentOf, expectContent, type Session } from '../filesystem/session.js';

// Two files whose blocks are interleaved, the first with a hole.
function fragmented(session: Session) {
  const a = session.create('a');
  const b = session.create('b');
  for (let page = 0; page < 6; page++) {
    if (page !== 3) a.file.writeSync(bytesOf(page, PAGE), page * PAGE);
    b.file.writeSync(bytesOf(page + 50, PAGE), page * PAGE);
  }
  return { a, b };
}

const runs: Probe = {
  rule: 'GB-3',
  title: 'a run says of each of its blocks what that block says by itself',
  run(session) {
    const { a } = fragmented(session);
    const { blockSize } = a.inode.sb;
    const blocks = Math.ceil(a.file.size / blockSize);
    for (let iblock = 0; iblock < blocks; iblock++) {
      const run = session.witness.run(a.inode, iblock, blocks - iblock);
      for (let i = 0; i < run.size / blockSize; i++) {
        const single = session.witness.run(a.inode, iblock + i, 1);
        const same = single.isHole === run.isHole && (run.isHole || single.blocknr === run.blocknr + i);
        expect('GB-3', same, `a run from block ${iblock} on says otherwise of block ${iblock + i} than it does itself`);
      }
    }
  },
};

const holes: Probe = {
  rule: 'IO-7',
  title: 'holes read as zeros, and reading allocates nothing',
  run(session) {
    const { a, b } = fragmented(session);
    a.file.truncateSync(40 * PAGE);
    const free = session.fs.freeBlocks();
    const expected = new Uint8Array(40 * PAGE);
    for (const page of [0, 1, 2, 4, 5]) expected.set(bytesOf(page, PAGE), page * PAGE);
    expectContent('IO-7', 'a', contentOf(a.file), expected);
    contentOf(b.file);
    expect('IO-7', session.fs.freeBlocks() === free, 'reading changed the number of free blocks');
  },
};

const again: Probe = {
  rule: 'GB-12',
  title: 'a block that is there is found again, and is not New',
  run(session) {
    const { a } = fragmented(session);
    const free = session.fs.freeBlocks();
    // Overwrites call getBlock with create, because the cache is empty.
    a.inode.extents.invalidate();
    a.file.writeSync(bytesOf(7, 100), 10);
    a.inode.extents.invalidate();
    const expected = bytesOf(0, PAGE);
    expected.set(bytesOf(7, 100), 10);
    expectContent('GB-12', 'a', contentOf(a.file).subarray(0, PAGE), expected);
    expect('GB-12', session.fs.freeBlocks() === free, 'writing over a block changed the number of free blocks');
  },
};

const nested: Probe = {
  rule: 'GB-12',
  title: 'two files that allocate at once get blocks of their own',
  run(session) {
    const a = session.create('a');
    const b = session.create('b');
    let calls = 0;
    session.witness.hook = (where, inode) => {
      if (inode === a.inode && where !== 'endIo') b.file.writeSync(bytesOf(90, PAGE), calls++ * 2 * PAGE);
    };
    a.file.writeSync(bytesOf(1, 4 * PAGE), 0);
    session.witness.hook = undefined;
    expectContent('GB-12', 'a', contentOf(a.file), bytesOf(1, 4 * PAGE));
    for (let call = 0; call < calls; call++) {
      const found = contentOf(b.file).slice(call * 2 * PAGE, call * 2 * PAGE + PAGE);
      expectContent('GB-12', 'b', found, bytesOf(90, PAGE));
    }
  },
};

export const BLOCK_PROBES: readonly Probe[] = [runs, holes, again, nested];
