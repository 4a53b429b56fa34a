// A directory read with everything below it, as the running Node does it: which links it follows, in which order, and what it calls
// each name and its directory.

import nodeFs from 'node:fs';
import t from 'tap';
import { openScratch } from 'node-dax';
import { mkfsSync, mount } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { NODE_MAJOR } from '../../lib/fs/release.js';

type Fs = typeof nodeFs;
type Found = string | Buffer | nodeFs.Dirent;
type Read = (path: unknown, options: object, done?: (error: Error | null, found: Found[]) => void) => Found[] | Promise<Found[]>;

function populate(fs: Fs, root: string): void {
  for (const path of ['a/x/1', 'a/y/2', 'b/z/3']) {
    fs.mkdirSync(`${root}/${path}`, { recursive: true });
    fs.writeFileSync(`${root}/${path}/file`, '');
  }
  fs.symlinkSync('../b/z', `${root}/a/link`);
  fs.symlinkSync('a', `${root}/to-a`);
  fs.symlinkSync('none', `${root}/dangling`);
  fs.symlinkSync('b/z/3/file', `${root}/to-file`);
}

const shown = (value: string | Buffer): string => (typeof value === 'string' ? value : `bytes of ${value.toString()}`);

function told(found: Found): string {
  if (typeof found === 'string' || Buffer.isBuffer(found)) return shown(found);
  return `${shown(found.parentPath)} has ${shown(found.name)}${found.isDirectory() ? '/' : ''}`;
}

async function answer(read: () => Found[] | Promise<Found[]>): Promise<unknown> {
  try {
    return (await read()).map(told);
  } catch (error) {
    return (error as Error).message;
  }
}

function formsOf(fs: Fs, path: unknown, options: object): Promise<unknown>[] {
  const sync = fs.readdirSync as unknown as Read;
  const promised = fs.promises.readdir as unknown as Read;
  const called = fs.readdir as unknown as Read;
  const forms = [answer(() => sync(path, options)), answer(() => promised(path, options))];
  // Earlier Nodes throw what bytes cause where nobody can catch it.
  if (NODE_MAJOR < 26) return forms;
  return [...forms, answer(() => new Promise((resolve, reject) => {
    void called(path, options, (error, found) => { if (error === null) resolve(found); else reject(error); });
  }))];
}

t.test('everything below a directory', async (test) => {
  const root = nodeFs.mkdtempSync('/dev/shm/node-dax-below-');
  test.teardown(() => { nodeFs.rmSync(root, { recursive: true }); });
  const device = openScratch(8 * 1024 * 1024);
  mkfsSync(device);
  const ext2 = mount(device);
  const ours = createFs(ext2);
  ours.mkdirSync(root, { recursive: true });
  for (const fs of [nodeFs, ours]) populate(fs, root);
  let links = 0;
  for (const path of [root, `${root}/`, `${root}/.`, `${root}/a/../b`, `${root}/to-a`, `${root}/none`]) {
    for (const given of [path, Buffer.from(path)]) {
      for (const more of [{}, { encoding: 'hex' }, { encoding: 'buffer' }, { withFileTypes: true }, { withFileTypes: true, encoding: 'buffer' }]) {
        const options = { ...more, recursive: true };
        const [theirs, mine] = await Promise.all([nodeFs, ours].map(async (fs) => Promise.all(formsOf(fs, given, options))));
        test.strictSame(mine, theirs, `${typeof given} ${path.slice(root.length)} ${JSON.stringify(more)}`);
        if (JSON.stringify(theirs).includes('link/3')) links++;
      }
    }
  }
  test.ok(links > 0, 'links were followed');
  ext2.unmount();
  await device.close();
});
