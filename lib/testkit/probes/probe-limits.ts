// Owns the probes of limits: empty requests, the last byte that a file can have, and blocks that cannot be allocated.

import { DaxError } from 'node-dax';
import { codeOf, expect, expectFree, PAGE, type Probe } from '../filesystem/probe.js';
import type { RuleId } from '../rules.js';
import { bytesOf, contentOf, expectContent } from '../filesystem/session.js';

const EMPTY = new Uint8Array(0);

const nothing: Probe = {
  rule: 'IO-13',
  title: 'I/O of no bytes does nothing, and there is nothing at the end and past it',
  run(session) {
    const { file, inode } = session.create('a');
    file.writeSync(bytesOf(1, PAGE + 10), 0);
    inode.extents.invalidate();
    let asked = 0;
    session.witness.hook = () => { asked++; };
    const times = [inode.atimeMs, inode.mtimeMs, inode.ctimeMs] = [1, 2, 3];
    const calls: [what: string, call: () => number][] = [
      ['a read of no bytes', () => file.readSync(EMPTY, 0)],
      ['a read into no buffers', () => file.readSync([], 0)],
      ['a write of no bytes', () => file.writeSync(EMPTY, 0)],
      ['a write of no bytes past the end', () => file.writeSync(EMPTY, 9 * PAGE)],
      ['a write of empty buffers', () => file.writeSync([EMPTY, EMPTY], 5)],
      ['an append of no bytes', () => file.appendSync(EMPTY)],
    ];
    for (const [what, call] of calls) {
      expect('IO-13', call() === 0, `${what} does not return 0`);
      const now = [inode.atimeMs, inode.mtimeMs, inode.ctimeMs];
      expect('IO-13', now.every((time, index) => time === times[index]), `${what} changed the times`);
    }
    for (const pos of [PAGE + 10, PAGE + 11, 2 * PAGE, 100 * PAGE]) {
      expect('IO-3', file.readSync(new Uint8Array(10), pos) === 0, `a read at ${pos} found something past the end`);
    }
    expect('IO-3', asked === 0, 'getBlock was asked for nothing');
    session.witness.hook = undefined;
    file.truncateSync(PAGE + 10);
    file.zeroRangeSync(5, 0);
    expectContent('IO-13', 'a', contentOf(file), bytesOf(1, PAGE + 10));
  },
};

const last: Probe = {
  rule: 'IO-13',
  title: 'the last byte that a file can have can be written, and no other after it (maxBytes, EFBIG)',
  run(session) {
    const a = session.create('a');
    const { file, inode } = a;
    const maxBytes = inode.sb.maxBytes ?? Number.MAX_SAFE_INTEGER;
    const free = session.fs.freeBlocks();
    const tooBig = (what: string, call: () => unknown) => {
      const code = codeOf(call);
      expect('IO-13', code === 'EFBIG', `${what} gives ${code ?? 'no error'} instead of EFBIG (maxBytes is ${maxBytes})`);
    };
    const data = bytesOf(1, 100);
    const bytes = file.writeSync(data, maxBytes - 10);
    expect('IO-13', bytes === 10, `a write of 100 bytes, 10 before maxBytes, wrote ${bytes}`);
    expect('IO-13', file.size === maxBytes, `the size is ${file.size} instead of ${maxBytes}`);
    tooBig('a write at maxBytes', () => file.writeSync(data, maxBytes));
    tooBig('an append at maxBytes', () => file.appendSync(data));
    if (maxBytes < Number.MAX_SAFE_INTEGER) tooBig('truncation past maxBytes', () => { file.truncateSync(maxBytes + 1); });
    file.fsync();
    const check = (rule: RuleId, of: typeof a, when: string) => {
      const found = new Uint8Array(20);
      const read = of.file.readSync(found, maxBytes - 20);
      const expected = new Uint8Array(20);
      expected.set(data.subarray(0, 10), 10);
      expectContent(rule, `the end of a${when}`, found.subarray(0, read), expected);
    };
    check('IO-13', a, '');
    if (session.canMount) {
      const later = session.afterPowerCut();
      try {
        check('IO-10', later.find('a'), ', after a power cut,');
      } finally {
        later.end();
      }
    }
    file.truncateSync(0);
    expect('TR-6', session.fs.freeBlocks() === free, `${free - session.fs.freeBlocks()} blocks are lost after truncation to nothing`);
  },
};

const refused: Probe = {
  rule: 'IO-16',
  title: 'a block that cannot be had: what was written counts, the rest is as before',
  run(session) {
    const a = session.create('a');
    const { file } = a;
    for (const errno of ['ENOSPC', 'EDQUOT', 'EIO']) {
      for (const granted of [0, 1, 2]) {
        const free = session.fs.freeBlocks();
        let left = granted;
        session.witness.hook = (where, inode, create) => {
          if (inode !== a.inode || where !== 'before getBlock' || !create || left-- > 0) return;
          throw new DaxError({ errno, syscall: 'getBlock' });
        };
        const data = bytesOf(4, 3 * PAGE);
        let written = 0;
        // Writes every second page, so getBlock is called more than once.
        const code = codeOf(() => {
          for (let page = 0; page < 3; page++) written += file.writeSync(data.subarray(page * PAGE, (page + 1) * PAGE), 2 * page * PAGE);
        });
        session.witness.hook = undefined;
        const when = `${errno} at block ${granted}`;
        expect('GB-10', code === errno || written < data.byteLength, `${when}: the write gave ${code ?? 'no error'}`);
        expect('IO-16', file.size === sizeAfter(written), `${when}: ${written} bytes were written, the size is ${file.size}`);
        expectFree(when, a);
        for (let page = 0; page * PAGE < written; page++) {
          const found = contentOf(file).subarray(2 * page * PAGE, 2 * page * PAGE + Math.min(PAGE, written - page * PAGE));
          expectContent('IO-16', `page ${2 * page} of a`, found, data.subarray(page * PAGE, page * PAGE + found.byteLength));
        }
        file.truncateSync(0);
        expect('IO-16', session.fs.freeBlocks() === free, `${when}: ${free - session.fs.freeBlocks()} blocks are lost`);
      }
    }
  },
};

// The size of the file after `written` bytes were written to every second page.
function sizeAfter(written: number): number {
  if (written === 0) return 0;
  const page = Math.floor((written - 1) / PAGE);
  return page * PAGE + written;
}

export const LIMIT_PROBES: readonly Probe[] = [nothing, last, refused];
