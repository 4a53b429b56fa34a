// The format by itself: checksums by the vectors of famfs, and the table that stands in for a Node without crc32.

import t from 'tap';
import { crc32, crc32ByTable } from '../../lib/famfs/format/crc.js';
import { entryBytes, haveChecksums, MKDIR } from '../../lib/famfs/format/entry.js';
import { headerBytes } from '../../lib/famfs/format/log-header.js';
import { Space } from '../../lib/famfs/format/space.js';
import { randomFrom } from '../helpers/random.js';

t.test('checksums are those that famfs computes', (test) => {
  test.equal(headerBytes(8 * 2 ** 20).readUInt32LE(24), 0xa5875078);
  test.equal(headerBytes(16 * 2 ** 20).readUInt32LE(24), 0x3514e0d7);
  test.equal(entryBytes({ type: MKDIR, path: 'dir', uid: 0, gid: 0, mode: 0o755 }, 0).readUInt32LE(536), 0xe491bee9);
  test.equal(crc32(Buffer.alloc(536)), 0x11e5c2a9);
  const bytes = randomFrom(7).bytes(1000);
  for (let length = 0; length <= 1000; length++) {
    if (crc32(bytes.subarray(0, length)) !== crc32ByTable(bytes.subarray(0, length))) test.fail(`${length} bytes`);
  }
  test.end();
});

t.test('one checksum of many entries is right where the checksum of each is, and where no bit of any is wrong', (test) => {
  for (const count of [0, 1, 2, 5, 16]) {
    const entries = Buffer.concat(Array.from({ length: count }, (_, index) => entryBytes({ type: MKDIR, path: `dir${index * 7}`, uid: index, gid: 0, mode: 0o755 }, index)));
    test.ok(haveChecksums(entries), `${count} entries`);
    for (let bit = 0; bit < entries.length * 8; bit += 3) {
      const at = Math.floor(bit / 8);
      const byte = entries.readUInt8(at);
      entries.writeUInt8(Math.floor(byte / 2 ** (bit % 8)) % 2 === 0 ? byte + 2 ** (bit % 8) : byte - 2 ** (bit % 8), at);
      if (haveChecksums(entries)) test.fail(`bit ${bit} of ${count} entries`);
      entries.writeUInt8(byte, at);
    }
    test.notOk(count > 0 && haveChecksums(entries.subarray(0, -8)), 'a part of an entry');
  }
  test.equal(crc32ByTable(Buffer.from('and after'), crc32ByTable(Buffer.from('before '))), crc32(Buffer.from('before and after')));
  test.end();
});

t.test('space is taken unit by unit, and found first of all', (test) => {
  const random = randomFrom(11);
  for (let round = 0; round < 300; round++) {
    const units = 1 + random.below(80);
    const space = new Space(units * 4096 + 5, 4096, random.below(units) * 4096);
    const model = Array.from({ length: units }, (_, unit) => !space.isFree(unit, 1));
    for (let step = 0; step < 12; step++) {
      const count = 1 + random.below(20);
      const wanted = model.findIndex((_, at) => at + count <= units && !model.slice(at, at + count).includes(true));
      const found = space.find(count, 0, units);
      if (found !== (wanted < 0 ? undefined : wanted)) test.fail(`${count} of ${units} units: ${String(found)}, not ${wanted}`);
      if (found === undefined) continue;
      if (!space.isFree(found, count)) test.fail('what was found is taken');
      space.take(found, count);
      model.fill(true, found, found + count);
      const one = random.below(units);
      if (space.takeIfFree(one) === model[one]) test.fail(`unit ${one} was taken: ${String(model[one])}`);
      model[one] = true;
      if (space.free !== model.filter((isTaken) => !isTaken).length) test.fail(`${space.free} are free`);
      const from = random.below(units);
      const taken = model.indexOf(true, from);
      if (space.firstTaken(from, units - from) !== (taken < 0 ? undefined : taken)) test.fail(`the first from ${from}`);
    }
  }
  test.end();
});
