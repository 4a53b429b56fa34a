// Owns the probes of mapped files: a mapping shows the whole file, and nothing else.

import { FileMappings } from '../filesystem/file-mappings.js';
import { expect, PAGE, type Probe } from '../filesystem/probe.js';
import type { RuleId } from '../rules.js';
import { bytesOf, contentOf, expectContent, type OpenFile, type Session } from '../filesystem/session.js';

type Run = (session: Session, open: OpenFile, mappings: FileMappings) => void;

function mapped(rule: RuleId, title: string, run: Run): Probe {
  return {
    rule,
    title,
    isMapped: true,
    run(session) {
      const open = session.create('a');
      const mappings = new FileMappings(session, open);
      try {
        run(session, open, mappings);
      } finally {
        mappings.unmap();
      }
    },
  };
}

const holes = mapped('FT-6', 'a mapping shows a hole as zeros, and looking allocates nothing', (session, { file }, mappings) => {
  file.writeSync(bytesOf(1, PAGE), 3 * PAGE);
  file.truncateSync(8 * PAGE);
  const expected = new Uint8Array(8 * PAGE);
  expected.set(bytesOf(1, PAGE), 3 * PAGE);
  const free = session.fs.freeBlocks();
  expectContent('FT-6', 'a, mapped,', mappings.content(), expected);
  expect('FT-6', session.fs.freeBlocks() === free, 'loads changed the number of free blocks');
});

const both = mapped('FT-9', 'what is stored through a mapping is read, and what is written is seen in one', (_, { name, file }, mappings) => {
  file.truncateSync(6 * PAGE);
  const expected = mappings.content().slice();
  const change = (bytes: Uint8Array, pos: number, how: 'write' | 'store') => {
    expected.set(bytes, pos);
    if (how === 'write') file.writeSync(bytes, pos);
    else mappings.store(bytes, pos);
    expectContent('FT-9', `after a ${how} at ${pos}, ${name}`, contentOf(file), expected);
    expectContent('FT-9', `after a ${how} at ${pos}, ${name}, mapped,`, mappings.content(), expected);
  };
  change(bytesOf(2, 10), PAGE + 50, 'write');
  change(bytesOf(3, 10), 2 * PAGE - 5, 'store');
  change(bytesOf(4, 3 * PAGE), 2 * PAGE + 7, 'write');
  change(bytesOf(5, 2 * PAGE), 3 * PAGE - 7, 'store');
  change(bytesOf(6, 10), 5 * PAGE + 100, 'store');
});

const tail = mapped('TR-8', 'what a mapping stored past the end is zeros when the file grows', (_, { file }, mappings) => {
  const grow: [string, (size: number) => void][] = [
    ['truncation', (size) => { file.truncateSync(size); }],
    ['a write', (size) => { file.writeSync(new Uint8Array(1), size - 1); }],
  ];
  for (const [how, work] of grow) {
    file.truncateSync(0);
    file.writeSync(bytesOf(1, 100), 0);
    mappings.content();
    mappings.store(bytesOf(33, PAGE - 100), 100);
    work(PAGE + 100);
    const expected = new Uint8Array(PAGE + 100);
    expected.set(bytesOf(1, 100));
    expectContent('TR-8', `a, made longer by ${how},`, contentOf(file), expected);
    expectContent('TR-8', `a, made longer by ${how}, mapped,`, mappings.content().subarray(0, PAGE + 100), expected);
  }
});

// A mapping that was made before may show nothing, zeros or the old content of the file, but never what another file has stored on
// its blocks since then.
const freed = mapped('TR-7', 'blocks that go, or lie elsewhere now, are gone from mappings', (session, { file }, mappings) => {
  const ways: [how: string, kept: number, work: () => void][] = [
    ['truncation', PAGE, () => { file.truncateSync(PAGE); }],
    ['fsync', 8 * PAGE, () => { file.fsync(); }],
  ];
  if (session.fs.operations.punchBlocks !== undefined) {
    ways.push(['punching', PAGE, () => { file.punchHoleSync(PAGE, 7 * PAGE); }]);
  }
  for (const [how, kept, work] of ways) {
    const own = bytesOf(1, 8 * PAGE);
    file.writeSync(own, 0);
    const before = mappings.content();
    work();
    const b = session.create('b');
    b.file.writeSync(bytesOf(2, 8 * PAGE), 0);
    const alien = before.byteLength === 0 ? -1 : before.findIndex((byte, pos) => byte !== 0 && byte !== own[pos]);
    expect('TR-7', alien < 0, `after ${how}, a mapping shows at byte ${alien} what another file wrote`);
    const after = mappings.content().subarray(0, file.size);
    expectContent('TR-7', `after ${how}, a, mapped,`, after, own.fill(0, kept).subarray(0, file.size));
    session.unlink(b);
  }
});

export const MAPPED_PROBES: readonly Probe[] = [holes, both, tail, freed];
