// Where small files come to lie while the room that each keeps for its growth is given back one file later.

import t from 'tap';
import { BufferHead, openSync } from 'node-dax';
import { mkfsSync, mount, type Ext2File } from 'node-dax/ext2';
import { scratchPath } from '../helpers/devices.js';

const BLOCK = 4096;
const FILES = 400;

t.test('files of one block, each closed after the next is written, leave no more room between them than they take', (test) => {
  using device = openSync(scratchPath(test, '/dev/shm'), { size: 32 * 2 ** 20 });
  mkfsSync(device, { blockSize: BLOCK });
  using fs = mount(device);
  const first: number[] = [];
  let before: Ext2File | undefined;
  for (let index = 0; index < FILES; index++) {
    const inode = fs.create(fs.root, `file-${index}`);
    const file = fs.open(inode);
    file.writeSync(Buffer.alloc(BLOCK, index), 0);
    before?.closeSync();
    before = file;
    const bh = new BufferHead();
    bh.ask(BLOCK);
    fs.operations.getBlock(inode, 0, bh, false);
    first.push(bh.blocknr);
  }
  before?.closeSync();
  const span = Math.max(...first) - Math.min(...first) + 1;
  test.equal(new Set(first).size, FILES);
  test.ok(span <= 2 * FILES, `${FILES} files lie in ${span} blocks`);
  test.end();
});
