// The table of inodes in memory finds what a Map finds, whatever came and went.

import t from 'tap';
import { seeded } from 'node-dax/testkit';
import type { IncoreInode } from '../../lib/ext2/inode/inode.js';
import { InodeTable } from '../../lib/ext2/volume/inode-table.js';

t.test('random comings and goings', (t) => {
  const random = seeded(1);
  const table = new InodeTable();
  const model = new Map<number, IncoreInode>();
  let different = 0;
  for (let step = 0; step < 20_000; step++) {
    // More come than go until there are hundreds, with numbers that share rows.
    const ino = random(600) * (random(2) === 0 ? 1 : 64);
    const known = model.get(ino);
    if (table.get(ino) !== known) different++;
    if (known === undefined) {
      const inode = { ino, nextInRow: undefined } as IncoreInode;
      table.add(inode);
      model.set(ino, inode);
    } else if (random(3) > 0) {
      table.delete(known);
      model.delete(ino);
      if (known.nextInRow !== undefined) different++;
    }
    if (table.size !== model.size) different++;
  }
  t.equal(different, 0);
  t.strictSame([...table].map(({ ino }) => ino).sort((a, b) => a - b), [...model.keys()].sort((a, b) => a - b));
  t.ok(model.size > 64, 'it has grown');
  t.end();
});
