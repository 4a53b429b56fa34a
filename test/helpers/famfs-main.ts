// A process with a famfs: a client that follows until it has seen some files, each with its contents; or a master that creates
// files until it is killed. `famfs-main.js client|master MEMORY UUIDFILE COUNT`

import { openSync } from 'node-dax';
import { mountFamfs } from 'node-dax/famfs';
import { contentOf } from './famfs-image.js';

const [, , how = '', path = '', systemUuidFile = '', count = ''] = process.argv;

/** What file `index` holds. */
export function contentFor(index: number): Buffer {
  return Buffer.alloc(1 + ((index * 997) % 6000), `file ${index};`);
}

async function follow(): Promise<void> {
  const device = openSync(path, { readOnly: true });
  const famfs = mountFamfs(device, { systemUuidFile, readOnly: true });
  console.log('ready');
  let seen = 0;
  for await (const inode of famfs.follow()) {
    if (famfs.damage !== undefined) throw new Error(`entry ${famfs.damage.entry ?? ''}: ${famfs.damage.field}`);
    if (inode.path !== `/f${seen}`) throw new Error(`${inode.path} comes after ${seen} files`);
    if (!contentOf(famfs, inode).equals(contentFor(seen))) throw new Error(`${inode.path} has other contents`);
    if (++seen === Number(count)) break;
  }
  famfs.unmount();
  console.log(`seen ${seen}`);
}

function create(): void {
  const famfs = mountFamfs(openSync(path), { systemUuidFile });
  for (let index = famfs.entries; index < Number(count); index++) {
    const content = contentFor(index);
    famfs.create(`f${index}`, content.length, { fill: (file) => { file.writeSync(content, 0); } });
    if (index % 10 === 0) process.stdout.write(`${index}\n`);
  }
}

if (require.main === module) {
  if (how === 'client') void follow();
  else create();
}
