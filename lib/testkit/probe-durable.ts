// Owns the probes for durability: what a write or fsync returned for is there after the power was cut.

import { expect, PAGE, type Probe } from './probe.js';
import { bytesOf, contentOf, expectContent } from './session.js';

const fsync: Probe = {
  rule: 'IO-10',
  title: 'what fsync returned for is there after a power cut, and so is the free space',
  run(session) {
    if (!session.canMount) return 'the filesystem gives no mount and lookup';
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
    const later = session.afterPowerCut();
    const expected = new Uint8Array(2 * PAGE);
    expected.set(bytesOf(1, 2 * PAGE - 100), 100);
    expectContent('IO-10', 'a, after the power cut,', contentOf(later.find('a').file), expected);
    expectContent('IO-10', 'b, after the power cut,', contentOf(later.find('b').file), bytesOf(2, 5 * PAGE));
    const [before, after] = [session.fs.freeBlocks(), later.fs.freeBlocks()];
    expect('IO-10', before === after, `${before} blocks were free before the power cut, ${after} are after it`);
    expect('IO-10', later.fs.lookup?.('gone') === undefined, 'a file that was unlinked is there after the power cut');
    return undefined;
  },
};

const reused: Probe = {
  rule: 'TR-10',
  title: "a power cut between freeing and fsync gives no file another's blocks",
  run(session) {
    if (!session.canMount) return 'the filesystem gives no mount and lookup';
    const a = session.create('a');
    const b = session.create('b');
    a.file.writeSync(bytesOf(1, 4 * PAGE), 0);
    a.file.fsync();
    a.file.truncateSync(PAGE);
    b.file.writeSync(bytesOf(2, 4 * PAGE), 0);
    b.file.fsync();
    const later = session.afterPowerCut();
    expectContent('TR-10', 'b, after the power cut,', contentOf(later.find('b').file), bytesOf(2, 4 * PAGE));
    // Either size may have survived; what is read must be the file's own, or zeros.
    const content = contentOf(later.find('a').file);
    const own = bytesOf(1, 4 * PAGE);
    const alien = content.findIndex((byte, pos) => byte !== own[pos] && byte !== 0);
    expect('TR-10', alien < 0, `a, after the power cut, reads ${content[alien] ?? 0} at byte ${alien}, which it never wrote`);
    return undefined;
  },
};

export const DURABLE_PROBES: readonly Probe[] = [fsync, reused];
