// What O_DIRECT needs from Node programs: memory at an alignment, and the alignment that a file asks for.

import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import t from 'tap';
import { alignedBuffer, DaxError, directIoAlignment } from 'node-dax';
import { scratchPath } from './helpers/devices.js';

t.test('memory is aligned, so that O_DIRECT takes it', (test) => {
  const path = scratchPath(test, tmpdir());
  fs.writeFileSync(path, Buffer.alloc(1024 * 1024, 7));
  const { memory, offset } = directIoAlignment(path) ?? { memory: 4096, offset: 4096 };
  if (memory === 0) {
    test.pass('O_DIRECT', { skip: `the filesystem of ${tmpdir()} refuses O_DIRECT` });
    test.end();
    return;
  }
  const fd = fs.openSync(path, fs.constants.O_RDWR + fs.constants.O_DIRECT);
  test.teardown(() => {
    fs.closeSync(fd);
  });
  // 97 of 100 buffers of Node's own fail here with EINVAL.
  for (let count = 1; count <= 200; count++) {
    const buffer = alignedBuffer(4096 * (1 + (count % 9)), count % 2 === 0 ? memory : 4096);
    test.equal(fs.readSync(fd, buffer, 0, buffer.length, offset * (count % 16)), buffer.length);
    test.equal(buffer.at(-1), 7);
  }
  test.end();
});

t.test('lengths and alignments', (test) => {
  for (const alignment of [1, 64, 512, 4096, 65_536, 2 * 1024 * 1024]) {
    for (const length of [0, 1, 4095, 4096, 100_000]) {
      const buffer = alignedBuffer(length, alignment);
      test.equal(buffer.length, length);
      test.ok(buffer.every((byte) => byte === 0));
    }
  }
  test.equal(alignedBuffer(10n, 16n).length, 10);
  test.throws(() => alignedBuffer('10' as never), TypeError);
  test.throws(() => alignedBuffer(-1), RangeError);
  test.throws(() => alignedBuffer(10, 0), RangeError);
  test.throws(() => alignedBuffer(2 ** 53 - 4096), RangeError);
  test.end();
});

t.test('paths', (test) => {
  test.throws(() => directIoAlignment('/nowhere'), { code: 'ENOENT', syscall: 'statx' });
  test.throws(() => directIoAlignment('/nowhere'), DaxError);
  test.throws(() => directIoAlignment(''), TypeError);
  test.throws(() => directIoAlignment(1 as never), TypeError);
  test.equal(directIoAlignment('/proc/self/status'), undefined, 'a filesystem that does not tell');
  test.end();
});
