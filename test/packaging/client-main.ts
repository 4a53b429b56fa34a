// One client, in a process of its own: on the host's filesystem, on one in persistent memory, or on many that are almost full.
// Prints the result as JSON, with paths relative to `dir`, and the content of `dir`.

import nodeFs from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { open } from 'node-dax';
import { check, mkfsSync, mount } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { E2fsckJudge } from '../helpers/e2fsck.js';
import { almostFull, unmountWhenClosed } from '../helpers/full-fs.js';
import { THOROUGH } from '../helpers/thorough.js';
import { clients, digestsOf, populate, type Client, type Place } from './clients.js';
import { giveEverybody, patchedClients } from './patched-clients.js';

type Fs = typeof nodeFs;

/** What is asked of this process, as JSON in its only argument. */
export interface ClientRequest {
  readonly name: string;
  readonly side: 'host' | 'ours' | 'full';
  readonly dir: string;
  /** Of `ours`: the file that the filesystem is made in. */
  readonly image?: string;
  readonly modules: string;
  readonly url: string;
}

const MIB = 1024 * 1024;
/** Bytes of an image that has room for each client. */
export const SIZE_OF_OURS = 128 * MIB;

/** Clients that go to the host whatever they are given: the watchdog must tell of them. */
export const BROKEN: Readonly<Record<string, Client>> = {
  'one who reads the host': (_fs, dir) => nodeFs.readFileSync(join(dir, 'source/first.js'), 'utf8'),
  'one who looks for a file of the host': (_fs, dir) => nodeFs.existsSync(join(dir, 'none')),
  'one who writes on the host': (_fs, dir) => { nodeFs.writeFileSync(join(dir, 'source/first.js'), 'overwritten'); },
  'one who writes elsewhere': (_fs, dir) => { nodeFs.rmSync(nodeFs.mkdtempSync('/tmp/node-dax-elsewhere-'), { recursive: true }); return dir.length; },
};

// A file that no client is told of.
const BYSTANDER = '/bystander';
// More blocks than a client needs, in a filesystem that has room for them.
const MOST_FREE = 1000;
const SIZE = 4 * MIB;
// Of the numbers of free blocks, one in so many.
const ONE_IN = THOROUGH ? 1 : 7;

/** Runs a client with no free block, with some more, and so on until it succeeds: every error before is ENOSPC. Returns how often it ran. */
async function filledUp(client: Client, dir: string, isPatched: boolean): Promise<number> {
  const judge = new E2fsckJudge(true);
  let isDone = false;
  let free = 0;
  let runs = 0;
  for (; !isDone && free < MOST_FREE; free += ONE_IN) {
    runs++;
    const { fs, ext2, device } = almostFull(free, (made) => {
      populate(made, dir);
      made.writeFileSync(BYSTANDER, 'as it was');
    }, SIZE);
    if (isPatched) {
      giveEverybody(fs);
      for (const path of Object.keys(require.cache)) if (path.includes('/node_modules/')) Reflect.deleteProperty(require.cache, path);
    }
    try {
      await client(fs, dir);
      isDone = true;
    } catch (error) {
      // Work at once fails in several places.
      const { errors = [error] } = error as { errors?: readonly unknown[] };
      if (!errors.every((one) => (one as Error).message.includes('ENOSPC: no space left on device'))) throw error;
    }
    if (fs.readFileSync(BYSTANDER, 'utf8') !== 'as it was') throw new Error(`with ${free} blocks, another file changed`);
    await unmountWhenClosed(ext2);
    await judge.add(device.memory, `${free} blocks`);
  }
  await judge.finish();
  if (judge.breaches.length > 0) throw new Error(JSON.stringify(judge.breaches.map(({ label, breaches }) => [label, breaches])));
  return runs;
}

async function run({ name, side, dir, image, ...rest }: ClientRequest): Promise<unknown> {
  const place: Place = { ...rest, load: createRequire(join(rest.modules, 'any.js')), tree: side === 'full' ? 'tar-fs' : 'webpack' };
  const patched = patchedClients(place);
  const client = ({ ...clients(place), ...patched, ...BROKEN })[name];
  if (client === undefined) throw new Error(`there is no client ${name}`);
  if (side === 'host') {
    populate(nodeFs, dir);
    return { result: await client(nodeFs, dir), tree: digestsOf(nodeFs, dir) };
  }
  if (side === 'full') return filledUp(client, dir, name in patched);
  if (image === undefined) throw new Error('a filesystem in persistent memory needs an image');
  const device = await open(image, { size: SIZE_OF_OURS });
  mkfsSync(device);
  const ext2 = mount(device);
  const fs: Fs = createFs(ext2);
  populate(fs, dir);
  if (name in patched) giveEverybody(fs);
  const result = await client(fs, dir);
  const tree = digestsOf(fs, dir);
  await unmountWhenClosed(ext2);
  if (!check(device).isClean) throw new Error('the medium is not clean');
  await device.close();
  return { result, tree };
}

if (require.main === module) {
  const request = JSON.parse(process.argv[2] ?? '') as ClientRequest;
  void run(request).then((result) => {
    // Some leave timers behind on the host.
    const { dir } = request;
    const text = JSON.stringify(result ?? null).replaceAll(dir, '').replaceAll(`"${dirname(dir)}"`, '"ABOVE"').replaceAll(basename(dir), 'DIR');
    process.stdout.write(text, () => process.exit());
  });
}
