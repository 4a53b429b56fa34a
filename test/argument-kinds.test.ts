// A value that is not a device where a device is expected, or not a filesystem where a filesystem is, is refused before anything
// happens, with a helpful message: above all the promise of a call without `await`.

import t, { type Test } from 'tap';
import { blockDevice, contentOf, DaxFile, Inode, lockDevice, partition, type BlockDevice } from 'node-dax';
import { axonram, faulty, linear, readOnly, striped } from 'node-dax/drivers';
import { check, mkfs, mkfsSync, mount } from 'node-dax/ext2';
import { mkfsFamfs, mountFamfs } from 'node-dax/famfs';
import { mountFuse } from 'node-dax/fuse';
import { createFs } from 'node-dax/fs';
import { openLog } from 'node-dax/log';
import { checkCrashes, checkDriver, checkFilesystem, MemoryDevice } from 'node-dax/testkit';

const PROMISED = Promise.resolve();

/** Each value that is of no right kind, and how the message ends. */
const WRONG: readonly [unknown, string][] = [
  [PROMISED, 'it is a promise: await it'],
  [undefined, 'it is undefined'],
  [null, 'it is null'],
  ['/dev/pmem0', 'it is a string'],
  [5, 'it is a number'],
];

const TAKE_DEVICE: Readonly<Record<string, (device: BlockDevice) => unknown>> = {
  mkfs,
  mkfsSync,
  mount,
  check,
  mountFamfs,
  mkfsFamfs,
  contentOf,
  partition: (device) => partition(device, 0, 8),
  readOnly,
  axonram,
  faulty: (device) => faulty(device, () => undefined),
};

const TAKE_FILESYSTEM: Readonly<Record<string, [name: string, (filesystem: never) => unknown]>> = {
  createFs: ['mounted', createFs],
  mountFuse: ['filesystem', (filesystem) => mountFuse(filesystem, '/')],
};

const typeError = (message: string): { name: string; code: string; message: string } => ({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', message });

async function refused(test: Test, run: () => unknown, message: string): Promise<void> {
  await test.rejects(async () => { await run(); }, typeError(message), message);
}

t.test('no device', async (test) => {
  const kind = 'device must be a block device, such as open() gives';
  for (const [name, take] of Object.entries(TAKE_DEVICE)) {
    for (const [value, end] of WRONG) await refused(test, () => take(value as BlockDevice), `${kind}: ${end}`);
    await refused(test, () => take({} as BlockDevice), `${kind}: it has no ${name === 'contentOf' ? 'readSync' : 'directAccess'}()`);
  }
  // A driver may lock what is no whole device.
  for (const [value, end] of WRONG) await refused(test, () => lockDevice(value as BlockDevice, 'shared'), `${kind}: ${end}`);
  for (const [value, end] of WRONG.filter(([value]) => typeof value !== 'string')) {
    await refused(test, () => openLog(value as BlockDevice), `${kind}: ${end}`);
  }
});

t.test('a device of no size', async (test) => {
  const device = new MemoryDevice(new Uint8Array(1024 * 1024));
  const sizeless = Object.assign(Object.create(device) as BlockDevice, {});
  Object.defineProperty(sizeless, 'size', { value: undefined });
  await refused(test, () => mkfs(sizeless), 'device.size must be a number of bytes, it is undefined');
});

t.test('no devices', async (test) => {
  const device = new MemoryDevice(new Uint8Array(1024 * 1024));
  for (const join of [linear, striped]) {
    for (const value of [PROMISED, undefined, device]) await refused(test, () => join(value as never), 'devices must be an array of block devices');
    await refused(test, () => join([device, PROMISED as never]), 'devices[1] must be a block device, such as open() gives: it is a promise: await it');
    test.throws(() => join([]), { code: 'ERR_INVALID_ARG_VALUE', message: 'devices must not be empty' });
  }
});

t.test('no filesystem', async (test) => {
  for (const [name, take] of Object.values(TAKE_FILESYSTEM)) {
    const kind = `${name} must be a mounted filesystem, such as mount() of node-dax/ext2 gives`;
    for (const [value, end] of WRONG) await refused(test, () => take(value as never), `${kind}: ${end}`);
    await refused(test, () => take({} as never), `${kind}: it has no lookup()`);
  }
  const device = new MemoryDevice(new Uint8Array(1024 * 1024));
  mkfsSync(device);
  const ext2 = mount(device);
  await refused(test, () => mountFuse(ext2, undefined as never), 'directory must be a path, it is undefined');
  await refused(test, () => createFs(ext2, { cwd: 5 as never }), 'cwd must be a string, it is 5');
  ext2.unmount();
});

t.test('no inode, no operations, no target', async (test) => {
  const device = new MemoryDevice(new Uint8Array(1024 * 1024));
  for (const sb of [undefined, null, {}, { blockSize: 4096 }, { blockSize: 4096, bdev: PROMISED }]) {
    await refused(test, () => new Inode(sb as never, 1), 'sb must be a superblock, with a block device as bdev and its blockSize');
  }
  const inode = new Inode({ blockSize: 4096, bdev: device }, 1);
  await refused(test, () => new DaxFile(inode, undefined as never), 'operations must be the operations of an inode: it is undefined');
  await refused(test, () => new DaxFile(inode, {} as never), 'operations must be the operations of an inode: it has no getBlock()');
  mkfsSync(device);
  const ext2 = mount(device);
  await refused(test, () => ext2.symlink(ext2.root, 'link', undefined as never), 'the target must be a string or a Uint8Array');
  ext2.unmount();
});

t.test('no driver, and nothing that makes one', async (test) => {
  await refused(test, () => blockDevice(undefined as never), 'driver must be an object: it is undefined');
  await refused(test, () => blockDevice({} as never), 'driver must be an object: it has no directAccess()');
  await refused(test, () => checkDriver(undefined as never), 'make must be a function that makes the device');
  await refused(test, () => checkFilesystem({} as never), 'make must be a function that makes a filesystem on a device');
  await refused(test, () => checkCrashes(PROMISED as never), 'test must be an object: it is a promise: await it');
});
