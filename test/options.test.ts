// Every object of options refuses what it does not know, before anything happens, and names what is meant.

import { existsSync } from 'node:fs';
import t from 'tap';
import { checkOptions, DaxFile, daxMmap, Inode, openSync, partition, type OptionNames } from 'node-dax';
import { check, mkfs, mkfsSync, mount, S_IFIFO } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { checkCrashes, checkFilesystem, crashImages, MemoryDevice } from 'node-dax/testkit';
import { bench } from '../lib/bench/index.js';
import { runVm } from '../lib/vm/index.js';
import { scratchPath } from './helpers/devices.js';

const SIZE = 1024 * 1024;

t.test('names that nobody knows', async (test) => {
  const path = scratchPath(test);
  test.throws(() => openSync(path, { size: SIZE, readonly: true } as object), { name: 'TypeError', message: 'options: there is no readonly: readOnly is meant?' });
  test.notOk(existsSync(path));
  using device = openSync(path, { size: SIZE });
  const part = partition(device, 0, 8);
  const buffer = Buffer.alloc(8);
  const memory = new MemoryDevice(new Uint8Array(SIZE));
  mkfsSync(memory);
  const ext2 = mount(memory);
  const { root } = ext2;
  const inode = new Inode({ blockSize: 4096, bdev: device }, 1, 4096);
  const operations = { getBlock: () => undefined, truncateBlocks: () => undefined, fsync: () => undefined };
  const file = new DaxFile(inode, operations);
  const odd: [meant: string, action: (options: object) => unknown, misspelt: string][] = [
    ['requireDax', (options) => openSync(path, options), 'requireDAX'],
    ['lock', (options) => openSync(path, options), 'locked'],
    ['offset', (options) => device.readSync(buffer, 0, options), 'offsett'],
    ['length', (options) => device.writeSync(buffer, 0, options), 'lenght'],
    ['flush', (options) => device.writeSync(buffer, 0, options), 'Flush'],
    ['flush', (options) => device.writevSync([buffer], 0, options), 'flsh'],
    ['flush', (options) => device.zeroSync(0, 8, options), 'flushed'],
    ['signal', (options) => device.read(buffer, 0, options), 'signals'],
    ['signal', (options) => device.write(buffer, 0, options), 'sginal'],
    ['signal', (options) => device.readv([buffer], 0, options), 'Signal'],
    ['flush', (options) => device.writev([buffer], 0, options), 'fluch'],
    ['offset', (options) => part.readSync(buffer, 0, options), 'ofset'],
    ['flush', (options) => part.writeSync(buffer, 0, options), 'flusch'],
    ['flush', (options) => part.zeroSync(0, 8, options), 'flushh'],
    ['signal', (options) => part.read?.(buffer, 0, options), 'signall'],
    ['signal', (options) => part.write?.(buffer, 0, options), 'abortsignal'],
    ['readOnly', (options) => new DaxFile(inode, operations, options), 'readonly'],
    ['signal', (options) => file.read(buffer, 0, options), 'sign'],
    ['signal', (options) => file.write(buffer, 0, options), 'signl'],
    ['populate', (options) => file.mmap(options), 'populated'],
    ['onSigbus', (options) => daxMmap(inode, options, operations.getBlock), 'onSigBus'],
    ['readOnly', (options) => mount(memory, options), 'readonly'],
    ['synchronous', (options) => mount(memory, options), 'synchronious'],
    ['blockSize', (options) => mkfs(memory, options), 'blocksize'],
    ['force', (options) => mkfsSync(memory, options), 'forced'],
    ['limit', (options) => check(memory, options), 'limits'],
    ['follow', (options) => ext2.resolve('/', options), 'folow'],
    ['owner', (options) => ext2.create(root, 'a', 0o644, options), 'Owner'],
    ['owner', (options) => ext2.mkdir(root, 'a', 0o755, options), 'owners'],
    ['owner', (options) => ext2.mknod(root, 'a', S_IFIFO, undefined, options), 'ower'],
    ['owner', (options) => ext2.symlink(root, 'a', 'b', options), 'oner'],
    ['mtimeMs', (options) => { ext2.setattr(root, options); }, 'mtimems'],
    ['append', (options) => ext2.open(ext2.lookup(root, 'file') ?? ext2.create(root, 'file'), options), 'apend'],
    ['umask', (options) => createFs(ext2, options), 'unmask'],
    ['seed', (options) => checkFilesystem(() => { throw new Error('made'); }, options), 'sead'],
    ['limit', (options) => checkCrashes({} as never, options), 'limt'],
    ['nvdimms', (options) => runVm({ command: ['true'], ...options }), 'nvdims'],
    ['file', (options) => runVm({ command: ['true'], nvdimms: [{ size: 16 * SIZE, kind: 'pmem', ...options }] }), 'fil'],
    ['drivers', (options) => bench({} as never, options as never), 'driver'],
    ['from', (options) => crashImages({ content: new Uint8Array(), events: [] }, options).next(), 'form'],
  ];
  for (const [meant, action, misspelt] of odd) {
    const expected = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE', message: new RegExp(`there is no ${misspelt}: ${misspelt === 'abortsignal' ? 'there are' : meant}`) };
    await test.rejects((async () => { await action({ [misspelt]: undefined }); })(), expected, `${misspelt} for ${meant}`);
  }
  test.strictSame([...ext2.readdir(root)].map(({ name }) => name).sort(), ['.', '..', 'file', 'lost+found'], 'nothing was made');
  ext2.unmount();
});

t.test('options for an author\'s own functions', (test) => {
  const known: OptionNames<{ first?: number; second?: number }> = { first: true, second: true };
  const refused = (options: unknown, message?: string, what?: string): void => {
    test.throws(() => { checkOptions(options as object, known, what); }, { name: 'TypeError', ...(message !== undefined && { message }) });
  };
  for (const fine of [undefined, {}, { first: 1 }, { first: 1, second: 2 }]) checkOptions(fine, known);
  refused({ other: 1 }, 'options: there is no other: there are first, second');
  refused({ secnd: 1 }, 'settings: there is no secnd: second is meant?', 'settings');
  // Inherited ones are looked at too.
  for (const odd of [Object.create({ third: 1 }), { toString: 1 }, null, 1, 'first']) refused(odd);
  test.end();
});
