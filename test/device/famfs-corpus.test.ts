// The memories that famfs's own library has written, on a devdax: read in place as their manifests have them.

import '../helpers/assert-locks.js';
import { closeSync, openSync as openFile, readSync, rmSync, statSync } from 'node:fs';
import t from 'tap';
import type { DaxDevice } from 'node-dax';
import { onDevices } from '../helpers/devices.js';
import { checkMemory, corpusMissing, corpusNames, unpack } from '../helpers/famfs-corpus.js';
import { folderFor, MIB } from '../helpers/famfs-image.js';
import { THOROUGH } from '../helpers/thorough.js';

// Of files of 1 to 16 extents, out of order: a thorough run reads all memories.
const SHORT = ['c-multiext'];

function copy(path: string, device: DaxDevice): void {
  const fd = openFile(path, 'r');
  const { size } = statSync(path);
  const piece = Buffer.alloc(4 * MIB);
  for (let pos = 0; pos < size; ) {
    const read = readSync(fd, piece, 0, piece.length, pos);
    pos += device.writeSync(piece.subarray(0, read), pos, { flush: false });
  }
  closeSync(fd);
}

if (corpusMissing === false) {
  onDevices('the memories of the corpus', ['devdax of 2 MiB'], (parent, wanted) => {
    const folder = folderFor(parent);
    for (const name of THOROUGH ? corpusNames() : SHORT) {
      parent.test(name, (test) => {
        const path = unpack(name, folder);
        const device = wanted.open();
        copy(path, device);
        rmSync(path);
        checkMemory(test, device, name);
        device.closeSync();
        test.end();
      });
    }
  });
} else {
  t.test('the memories of the corpus', { skip: corpusMissing }, () => undefined);
}
