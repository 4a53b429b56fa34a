// Owns what files of famfs hold in the suites. It loads no test runner, so processes of a test, and of a guest, may import it.

import { readFullSync } from 'node-dax';
import type { Famfs, FamfsInode } from 'node-dax/famfs';

/** What file `index` of `famfs-main` holds. */
export function contentFor(index: number): Buffer {
  return Buffer.alloc(1 + ((index * 997) % 6000), `file ${index};`);
}

/** The bytes of a file, by read. */
export function contentOf(famfs: Famfs, inode: FamfsInode): Buffer {
  using file = famfs.open(inode, { readOnly: true });
  const content = Buffer.alloc(inode.size);
  readFullSync(file, content, 0);
  return content;
}
