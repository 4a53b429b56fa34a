// Small reads of an image are made a page at a time, and give what the device has.

import t from 'tap';
import { seeded } from 'node-dax/testkit';
import type { BufferRange } from 'node-dax';
import { PageReads } from '../../lib/cli/ext2/image/page-reads.js';
import { MemoryDevice } from '../helpers/memory-device.js';

const PAGE = 4096;

class Counted extends MemoryDevice {
  calls = 0;

  override readSync(target: Uint8Array, pos: number, options?: BufferRange): number {
    this.calls++;
    return super.readSync(target, pos, options);
  }
}

function filled(size: number): Counted {
  const device = new Counted(size);
  for (let pos = 0; pos < size; pos++) device.memory[pos] = (pos * 31 + Math.floor(pos / PAGE) * 7) % 251;
  return device;
}

t.test('reads of any place and length give what the device has, more pages than are kept', (test) => {
  // It ends within a page.
  const device = filled(700 * PAGE + 1536);
  const pages = new PageReads(device);
  const seed = Date.now() % 2 ** 31;
  const random = seeded(seed);
  let wrong = 0;
  for (let read = 0; read < 5000; read++) {
    const pos = random(8) === 0 ? device.size - 1 - random(400) : random(device.size);
    const target = new Uint8Array(1 + random(random(4) === 0 ? 3 * PAGE : 300));
    const moved = pages.readSync(target, pos);
    const held = device.memory.subarray(pos, pos + target.length);
    if (moved !== held.length || Buffer.compare(target.subarray(0, moved), held) !== 0) wrong++;
  }
  test.equal(wrong, 0, `seed ${seed}`);
  test.end();
});

t.test('inodes of one page cost one call', (test) => {
  const device = filled(1024 * PAGE);
  const pages = new PageReads(device);
  for (let pos = 0; pos < 64 * PAGE; pos += 256) pages.readSync(new Uint8Array(256), pos);
  for (let pos = 0; pos < 64 * PAGE; pos += 256) pages.readSync(new Uint8Array(256), pos);
  test.equal(device.calls, 64);
  test.end();
});

t.test('a page that cannot be read fails its own reads alone', (test) => {
  const device = filled(1024 * PAGE);
  const pages = new PageReads(device);
  device.failAt(5 * PAGE, 'EIO', PAGE);
  for (const [page, code] of [[4, undefined], [5, 'EIO'], [5, 'EIO'], [5 + 256, undefined], [5, 'EIO'], [6, undefined]] as const) {
    const read = () => pages.readSync(new Uint8Array(64), page * PAGE + 100);
    if (code === undefined) test.equal(read(), 64);
    else test.throws(read, { code });
  }
  device.heal();
  const target = new Uint8Array(64);
  pages.readSync(target, 5 * PAGE);
  test.strictSame(target, device.memory.slice(5 * PAGE, 5 * PAGE + 64), 'and is read again');
  test.end();
});
