// Owns the probes of stale data: bytes that were not written to a file must neither be read from it nor be left on its blocks.

import { codeOf, expect, PAGE, type Probe } from '../filesystem/probe.js';
import { bytesOf, contentOf, expectContent, type OpenFile, type Session } from '../filesystem/session.js';

// The `length` bytes of the medium under the file at `pos`, or undefined for a hole.
function mediumAt(session: Session, { inode }: OpenFile, pos: number, length: number): Uint8Array | undefined {
  const { blockSize } = inode.sb;
  const iblock = Math.floor(pos / blockSize);
  const bh = session.witness.run(inode, iblock, 1);
  if (!bh.isWritten || bh.bdev === undefined) return undefined;
  const content = new Uint8Array(Math.min(length, (iblock + 1) * blockSize - pos));
  bh.bdev.readSync(content, bh.blocknr * blockSize + (pos - iblock * blockSize));
  return content;
}

// Does what a program does that stores through a mapping past the end of the file.
function storePastEnd(session: Session, { inode, file }: OpenFile): void {
  const { blockSize } = inode.sb;
  const bh = session.witness.run(inode, Math.floor(file.size / blockSize), 1);
  const within = file.size % blockSize;
  bh.bdev?.writeSync(bytesOf(33, blockSize - within), bh.blocknr * blockSize + within);
}

const edges: Probe = {
  rule: 'IO-8',
  title: 'what a write leaves of a new block is zeros, on the medium too',
  run(session) {
    const a = session.create('a');
    a.file.writeSync(bytesOf(1, 10), 100);
    const medium = mediumAt(session, a, 0, PAGE);
    expect('IO-8', medium !== undefined, 'the block that was written is not found');
    const expected = new Uint8Array(medium.byteLength);
    expected.set(bytesOf(1, 10), 100);
    expectContent('IO-8', 'the medium', medium, expected);
  },
};

const gap: Probe = {
  rule: 'IO-15',
  title: 'a write far past the end leaves zeros between',
  run(session) {
    const a = session.create('a');
    a.file.writeSync(bytesOf(1, 100), 0);
    a.file.writeSync(bytesOf(2, 1), 2 * PAGE);
    const expected = new Uint8Array(2 * PAGE + 1);
    expected.set(bytesOf(1, 100));
    expected.set(bytesOf(2, 1), 2 * PAGE);
    expectContent('IO-15', 'a', contentOf(a.file), expected);
  },
};

const grow: Probe = {
  rule: 'TR-8',
  title: 'what was stored past the end through a mapping is zeros when the file grows',
  run(session) {
    for (const [name, how] of [
      ['a', 'truncate'],
      ['b', 'write'],
      ['c', 'append'],
    ] as const) {
      const open = session.create(name);
      open.file.writeSync(bytesOf(1, 100), 0);
      storePastEnd(session, open);
      const expected = new Uint8Array(3000);
      expected.set(bytesOf(1, 100));
      if (how === 'truncate') open.file.truncateSync(3000);
      else if (how === 'write') open.file.writeSync(new Uint8Array(1), 2999);
      else {
        open.file.appendSync(new Uint8Array(100));
        open.file.truncateSync(200);
        storePastEnd(session, open);
        open.file.truncateSync(3000);
      }
      expectContent('TR-8', name, contentOf(open.file), expected);
    }
  },
};

const shrinkProbe: Probe = {
  rule: 'TR-9',
  title: 'the tail of the last page is zeros on the medium after truncation',
  run(session) {
    const a = session.create('a');
    a.file.writeSync(bytesOf(1, 2 * PAGE), 0);
    a.file.truncateSync(100);
    const medium = mediumAt(session, a, 100, PAGE);
    expect('TR-9', medium !== undefined, 'the block that holds the tail is gone');
    expectContent('TR-9', 'the medium', medium, new Uint8Array(medium.byteLength));
  },
};

const downUp: Probe = {
  rule: 'TR-6',
  title: 'truncation keeps what is before the end, and what comes after it reads as zeros',
  run(session) {
    for (const size of [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 700]) {
      const a = session.create('a');
      a.file.writeSync(bytesOf(1, 4 * PAGE), 0);
      a.file.truncateSync(size);
      a.file.truncateSync(4 * PAGE);
      const expected = new Uint8Array(4 * PAGE);
      expected.set(bytesOf(1, size));
      expectContent('TR-6', `a, cut to ${size} and made long again,`, contentOf(a.file), expected);
      session.unlink(a);
    }
  },
};

const punch: Probe = {
  rule: 'TR-12',
  title: 'a punched hole reads as zeros, and nothing else changes',
  run(session) {
    if (session.fs.operations.punchBlocks === undefined) return 'the filesystem has no punchBlocks';
    for (const [from, to] of [
      [0, PAGE],
      [10, 20],
      [100, 3 * PAGE + 100],
      [PAGE, 3 * PAGE],
      [PAGE - 1, 2 * PAGE + 1],
      [PAGE, 9 * PAGE],
    ] as const) {
      const a = session.create('a');
      a.file.writeSync(bytesOf(1, 5 * PAGE), 0);
      a.file.punchHoleSync(from, to - from);
      const expected = bytesOf(1, 5 * PAGE).fill(0, from, to);
      expectContent('TR-12', `a, punched from ${from} to ${to},`, contentOf(a.file), expected);
      session.unlink(a);
    }
    return undefined;
  },
};

const reuse: Probe = {
  rule: 'TR-10',
  title: "a block that another file had shows nothing of that file's",
  run(session) {
    const a = session.create('a');
    const b = session.create('b');
    a.file.writeSync(bytesOf(1, 8 * PAGE), 0);
    a.file.truncateSync(PAGE);
    // Each write is much less than a block, so most of the block keeps its old content unless it is zeroed.
    for (let page = 0; page < 8; page++) b.file.writeSync(bytesOf(2, 10), page * PAGE + 50);
    const expected = new Uint8Array(7 * PAGE + 60);
    for (let page = 0; page < 8; page++) expected.set(bytesOf(2, 10), page * PAGE + 50);
    expectContent('TR-10', 'b', contentOf(b.file), expected);
    a.file.truncateSync(8 * PAGE);
    const before = new Uint8Array(8 * PAGE);
    before.set(bytesOf(1, PAGE));
    expectContent('TR-10', 'a', contentOf(a.file), before);
    a.file.writeSync(bytesOf(3, 10), 2 * PAGE);
    expectContent('TR-10', 'b', contentOf(b.file), expected);
  },
};

// Writes block after block until `leave` free blocks are left, or until no more can be allocated.
function fill(session: Session, { file, inode }: OpenFile, leave: number): void {
  const { blockSize } = inode.sb;
  const data = bytesOf(5, blockSize);
  for (let left = session.device.size / blockSize; left > 0 && session.fs.freeBlocks() > leave; left--) {
    if (codeOf(() => file.writeSync(data, file.size)) !== undefined) return;
  }
}

const full: Probe = {
  rule: 'IO-16',
  title: 'a write that finds no room leaves nothing behind',
  run(session) {
    const free = () => session.fs.freeBlocks();
    session.unlink(session.create('a'));
    const atFirst = free();
    const big = session.create('big');
    const a = session.create('a');
    fill(session, big, 3);
    const before = free();
    const code = codeOf(() => {
      const written = a.file.writeSync(bytesOf(6, 64 * PAGE), 0);
      expectContent('IO-16', 'a', contentOf(a.file), bytesOf(6, written));
      expect('IO-16', a.file.size === written, `${written} bytes were written, and the size is ${a.file.size}`);
    });
    expect('GB-10', code === undefined || code === 'ENOSPC', `a write without room failed with ${String(code)}`);
    if (code !== undefined) {
      expect('IO-16', a.file.size === 0, `a write failed, and the size is ${a.file.size}`);
      expect('IO-16', free() === before, `a write failed, and ${before - free()} blocks are no longer free`);
    }
    const { size } = a.file;
    const more = codeOf(() => a.file.writeSync(bytesOf(6, 64 * PAGE), size + 128 * PAGE));
    expect('GB-10', more === undefined || more === 'ENOSPC', `a write without room failed with ${String(more)}`);
    a.file.truncateSync(0);
    expect('IO-16', free() === before, `${before - free()} blocks are lost after truncation to nothing`);
    a.file.writeSync(bytesOf(8, 10), 50);
    a.file.truncateSync(PAGE);
    const expected = new Uint8Array(PAGE);
    expected.set(bytesOf(8, 10), 50);
    expectContent('IO-16', 'a', contentOf(a.file), expected);
    session.unlink(a);
    session.unlink(big);
    expect('IO-16', free() === atFirst, `${atFirst - free()} blocks are lost after everything was unlinked`);
  },
};

export const STALE_PROBES: readonly Probe[] = [edges, gap, downUp, grow, shrinkProbe, reuse, punch, full];
