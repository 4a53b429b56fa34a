// Advice about a mapping is accepted, and nothing that is there changes (ST-30).

import { MADV_DONTNEED, MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED } from 'node-dax';
import { onEveryKindOfGround } from '../helpers/mapped-file.js';

onEveryKindOfGround('advice is accepted and changes nothing', (test, ground) => {
  const file = ground.holes(4);
  ground.write(file, 1, 7);
  const mapping = ground.map(file, { allocate: true });
  const bytes = new Uint8Array(mapping.buffer);
  bytes[5] = 9;
  const before = Buffer.from(bytes);
  for (const advice of [MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED]) {
    mapping.advise(advice);
    mapping.advise(advice, ground.page, ground.page);
    test.ok(before.equals(new Uint8Array(mapping.buffer)));
  }
  test.throws(() => { mapping.advise(99); }, { code: 'EINVAL', syscall: 'madvise' });
  test.throws(() => { mapping.advise(MADV_WILLNEED, 0, mapping.length + 1); }, { code: 'ERR_OUT_OF_RANGE' });
  mapping.unmap();
  test.throws(() => { mapping.advise(MADV_NORMAL); }, { code: 'EBADF' });
});
