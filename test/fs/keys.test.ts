// Nothing is missing of node:fs: who is given `{ fs }` never falls back on the host's.

import '../helpers/assert-locks.js';

import nodeFs from 'node:fs';
import t from 'tap';
import { openScratch } from 'node-dax';
import { mkfsSync, mount } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';

type Names = Readonly<Record<string, unknown>>;

// Of these there is no more than a refusal.
const UNAVAILABLE: readonly string[] = [];

const device = openScratch(4 * 1024 * 1024);
mkfsSync(device);
const ext2 = mount(device);
const fs = createFs(ext2);

function kinds(table: object): Record<string, string> {
  const described = Object.entries(Object.getOwnPropertyDescriptors(table)).map(([name, { enumerable }]) => {
    return [name, `${typeof (table as Names)[name]}${enumerable === true ? '' : ', hidden'}`];
  });
  return Object.fromEntries(described) as Record<string, string>;
}

function refused(table: Names, node: Names): string[] {
  return Object.keys(node).filter((name) => {
    if (typeof table[name] !== 'function' || /^[A-Z_]/.test(name)) return false;
    try {
      const result: unknown = (table[name] as () => unknown)();
      // What it says of no arguments comes as a rejection.
      if (result instanceof Promise) result.catch(() => undefined);
      return false;
    } catch (error) {
      return (error as { code?: string }).code === 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM';
    }
  });
}

t.test('the names of node:fs, each with what it is', (test) => {
  process.removeAllListeners('warning');
  test.strictSame(kinds(fs), kinds(nodeFs));
  test.strictSame(kinds(fs.promises), kinds(nodeFs.promises));
  test.strictSame(fs.constants, nodeFs.constants);
  for (const name of Object.keys(nodeFs)) {
    const [ours, theirs] = [(fs as unknown as Names)[name], (nodeFs as unknown as Names)[name]];
    const isShared = typeof theirs !== 'function' || /^(Stats|Dirent|_toUnixTimestamp)$/.test(name);
    if (!isShared && ours === theirs) test.fail(`${name} is the host's`);
  }
  test.end();
});

t.test('what cannot be had is refused', (test) => {
  test.strictSame(refused(fs as unknown as Names, nodeFs as unknown as Names), UNAVAILABLE);
  test.strictSame(refused(fs.promises as unknown as Names, nodeFs.promises as unknown as Names), []);
  test.end();
});

t.test('the members of a handle', async (test) => {
  const ours = await fs.promises.open('/f', 'w');
  const theirs = await nodeFs.promises.open('/dev/null');
  const members = (handle: object) => Reflect.ownKeys(Object.getPrototypeOf(handle) as object).map(String);
  test.strictSame(members(theirs).filter((name) => !members(ours).includes(name) && !/^Symbol\((?:k|messaging)/.test(name)), []);
  await ours.close();
  await theirs.close();
});

t.teardown(async () => {
  ext2.unmount();
  await device.close();
});
