// Memories that famfs's own library has written: every field and every byte, by read, by mapping and by the facade.

import { rmSync } from 'node:fs';
import t from 'tap';
import { openSync } from 'node-dax';
import { checkMemory, corpusMissing, corpusNames, unpack } from '../helpers/famfs-corpus.js';
import { folderFor } from '../helpers/famfs-image.js';
import { sample } from '../helpers/thorough.js';

t.test('every memory of the corpus is read as its manifest has it', { skip: corpusMissing, timeout: 600_000 }, (t) => {
  const folder = folderFor(t);
  const names = corpusNames();
  t.equal(names.length, 13);
  const chosen = sample(names, 4);
  for (const name of names) {
    const skip = !chosen.includes(name) && '.ci/run reads it: NODE_DAX_TEST_THOROUGH=1';
    t.test(name, { skip, timeout: 120_000 }, (test) => {
      const path = unpack(name, folder);
      const device = openSync(path, { readOnly: true });
      checkMemory(test, device, name);
      device.closeSync();
      rmSync(path);
      test.end();
    });
  }
  t.end();
});
