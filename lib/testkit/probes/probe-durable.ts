// Owns the probes of durability: what a write or fsync made durable before it returned is there after a power cut.

import { expect, PAGE, type Probe } from '../filesystem/probe.js';
import { bytesOf, contentOf, expectContent } from '../filesystem/session.js';

const fsync: Probe = {
  rule: 'IO-10',
  title: 'what fsync returned for is there after a power cut, and so is the free space',
  run(session) {
    if (!session.canMount) return 'the filesystem gives no mount and lookup';
    session.device.startTrace();
    const a = session.create('a');
    const b = session.create('b');
    const gone = session.create('gone');
    gone.file.writeSync(bytesOf(3, 3 * PAGE), 0);
    a.file.writeSync(bytesOf(1, 5 * PAGE), 100);
    b.file.writeSync(bytesOf(2, 5 * PAGE), 0);
    a.file.truncateSync(2 * PAGE);
    session.unlink(gone);
    a.file.fsync();
    b.file.fsync();
    const before = session.fs.freeBlocks();
    const expected = new Uint8Array(2 * PAGE);
    expected.set(bytesOf(1, 2 * PAGE - 100), 100);
    // Checks every combination of stores that were not made durable.
    const trace = session.device.endTrace();
    for (const { later } of session.afterPowerCuts(trace, trace.events.length)) {
      expectContent('IO-10', 'a, after the power cut,', contentOf(later.find('a').file), expected);
      expectContent('IO-10', 'b, after the power cut,', contentOf(later.find('b').file), bytesOf(2, 5 * PAGE));
      const after = later.fs.freeBlocks();
      expect('IO-10', before === after, `${before} blocks were free before the power cut, ${after} are after it`);
      expect('IO-10', later.fs.lookup?.('gone') === undefined, 'a file that was unlinked is there after the power cut');
    }
    return undefined;
  },
};

const reused: Probe = {
  rule: 'TR-10',
  title: "a power cut at any time between freeing and fsync gives no file another's blocks",
  run(session) {
    if (!session.canMount) return 'the filesystem gives no mount and lookup';
    const a = session.create('a');
    const b = session.create('b');
    const contents = { a: bytesOf(1, 4 * PAGE), b: bytesOf(2, 4 * PAGE) };
    a.file.writeSync(contents.a, 0);
    a.file.fsync();
    b.file.fsync();
    session.device.startTrace();
    a.file.truncateSync(PAGE);
    b.file.writeSync(contents.b, 0);
    b.file.fsync();
    const trace = session.device.endTrace();
    for (const { later, at } of session.afterPowerCuts(trace, 0)) {
      for (const [name, own] of Object.entries(contents)) {
        // Either size may have survived; every byte must be the file's own or zero.
        const content = contentOf(later.find(name).file);
        const alien = content.findIndex((byte, pos) => byte !== own[pos] && byte !== 0);
        const read = `${name}, after the power cut, reads ${content[alien] ?? 0} at byte ${alien}`;
        expect('TR-10', alien < 0, `${read}, which it never wrote`);
        if (name === 'b' && at === trace.events.length) expectContent('TR-10', 'b, after the power cut,', content, own);
      }
    }
    return undefined;
  },
};

export const DURABLE_PROBES: readonly Probe[] = [fsync, reused];
