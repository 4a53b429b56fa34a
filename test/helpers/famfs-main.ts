// A process with a famfs: a client that follows until it has seen some files, each with its contents; a master that creates
// files until it is killed; or one that makes the famfs, and the files when it is told to.
// `famfs-main.js client|master|maker MEMORY UUIDFILE COUNT`

import { once } from 'node:events';
import { openSync } from 'node-dax';
import { mkfsFamfs, mountFamfs } from 'node-dax/famfs';
import { contentFor, contentOf } from './famfs-content.js';

const [, , how = '', path = '', systemUuidFile = '', count = ''] = process.argv;

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

async function make(): Promise<void> {
  mkfsFamfs(openSync(path), { systemUuidFile });
  console.log('made');
  await once(process.stdin, 'data');
  process.stdin.destroy();
  create();
  console.log('created');
}

if (how === 'client') void follow();
else if (how === 'maker') void make();
else create();
