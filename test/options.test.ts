// Every object of options refuses what it does not know, before anything happens, and names what is meant.

import { existsSync, writeFileSync } from 'node:fs';
import t from 'tap';
import {
  blockDevice,
  checkOptions,
  DaxError,
  DaxFile,
  daxMmap,
  deviceUse,
  doctor,
  DriverDevice,
  Inode,
  open,
  openScratch,
  openSync,
  partition,
  readFull,
  writeAll,
  writeAllSync,
  type OptionNames,
} from 'node-dax';
import { axonram, brd, dcssblk, linear, striped } from 'node-dax/drivers';
import { check, mkfs, mkfsSync, mount, S_IFIFO } from 'node-dax/ext2';
import { mkfsFamfs, mountFamfs, openMountedFamfs } from 'node-dax/famfs';
import { FuseMount, mountFuse, unmountFuse } from 'node-dax/fuse';
import { createFs } from 'node-dax/fs';
import { openLog } from 'node-dax/log';
import { checkCrashes, checkDriver, checkFilesystem, crashImages, MemoryDevice, RecordingDevice } from 'node-dax/testkit';
import { createProvider } from 'node-dax/vfs';
import { cutPower, qemuCommand, runVm, startVm, vmObstacle } from 'node-dax/vm';
import { bench, checkBench } from '../lib/bench/index.js';
import { DEFAULTS } from '../lib/bench/jobs/job.js';
import { demonstrate } from '../lib/demo/demo.js';
import { scratchPath } from './helpers/devices.js';
import { objectsTaken } from './helpers/public-options.js';

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
  const driver = linear([device]);
  const recording = new RecordingDevice(SIZE);
  const shared = new MemoryDevice(new Uint8Array(32 * SIZE));
  const systemUuidFile = scratchPath(test);
  writeFileSync(systemUuidFile, '00010203-0405-0607-0809-0a0b0c0d0e0f\n');
  mkfsFamfs(shared, { systemUuidFile });
  const famfs = mountFamfs(shared, { systemUuidFile });
  famfs.create('/f', 4096);
  const log = openLog(new MemoryDevice(new Uint8Array(4 * SIZE)), { create: true });
  const job = { ...DEFAULTS, rw: 'read', bs: 4096, size: SIZE } as const;
  const jobs = (...all: object[]) => bench([{}] as never, { jobs: all, rounds: 1 } as never);
  const odd: [of: string, meant: string, action: (options: object) => unknown, misspelt: string][] = [
    ['openSync', 'requireDax', (options) => openSync(path, options), 'requireDAX'],
    ['openSync', 'lock', (options) => openSync(path, options), 'locked'],
    ['open', 'requireDurable', (options) => open(path, options), 'requiredurable'],
    ['openScratch', 'sparse', (options) => openScratch(SIZE, options), 'spares'],
    ['deviceUse', 'content', (options) => deviceUse(path, options), 'contents'],
    ['doctor', 'mappings', (options) => doctor(path, options), 'mapping'],
    ['new DaxError', 'syscall', (options) => new DaxError({ errno: 'EIO', ...options } as never), 'syscal'],
    ['DaxDevice.readSync', 'offset', (options) => device.readSync(buffer, 0, options), 'offsett'],
    ['DaxDevice.writeSync', 'length', (options) => device.writeSync(buffer, 0, options), 'lenght'],
    ['DaxDevice.writeSync', 'flush', (options) => device.writeSync(buffer, 0, options), 'Flush'],
    ['DaxDevice.writevSync', 'flush', (options) => device.writevSync([buffer], 0, options), 'flsh'],
    ['DaxDevice.zeroSync', 'flush', (options) => device.zeroSync(0, 8, options), 'flushed'],
    ['DaxDevice.storeU64', 'flush', (options) => { device.storeU64(0, 0, options); }, 'fulsh'],
    ['DaxDevice.recordPublisher', 'headSize', (options) => device.recordPublisher(0, options as never), 'headsize'],
    ['DaxDevice.read', 'signal', (options) => device.read(buffer, 0, options), 'signals'],
    ['DaxDevice.write', 'signal', (options) => device.write(buffer, 0, options), 'sginal'],
    ['DaxDevice.readv', 'signal', (options) => device.readv([buffer], 0, options), 'Signal'],
    ['DaxDevice.writev', 'flush', (options) => device.writev([buffer], 0, options), 'fluch'],
    ['DriverDevice.readSync', 'offset', (options) => driver.readSync(buffer, 0, options), 'offsett'],
    ['DriverDevice.writeSync', 'length', (options) => driver.writeSync(buffer, 0, options), 'lenght'],
    ['DriverDevice.writevSync', 'flush', (options) => driver.writevSync([buffer], 0, options), 'flsh'],
    ['DriverDevice.zeroSync', 'flush', (options) => driver.zeroSync(0, 8, options), 'flushed'],
    ['DriverDevice.read', 'signal', (options) => driver.read(buffer, 0, options), 'signals'],
    ['DriverDevice.write', 'signal', (options) => driver.write(buffer, 0, options), 'sginal'],
    ['DriverDevice.readv', 'signal', (options) => driver.readv([buffer], 0, options), 'Signal'],
    ['DriverDevice.writev', 'flush', (options) => driver.writev([buffer], 0, options), 'fluch'],
    ['new DriverDevice', 'backing', (options) => new DriverDevice({ sectors: 8, directAccess: () => { throw new Error('asked'); }, ...options }), 'baking'],
    ['blockDevice', 'persistent', (options) => blockDevice({ sectors: 8, directAccess: () => { throw new Error('asked'); }, ...options }), 'persistant'],
    ['partition', 'offset', (options) => part.readSync(buffer, 0, options), 'ofset'],
    ['partition', 'flush', (options) => part.writeSync(buffer, 0, options), 'flusch'],
    ['partition', 'flush', (options) => part.zeroSync(0, 8, options), 'flushh'],
    ['partition', 'signal', (options) => part.read?.(buffer, 0, options), 'signall'],
    ['partition', 'signal', (options) => part.write?.(buffer, 0, options), 'abortsignal'],
    ['readFull', 'signal', (options) => readFull({ readSync: () => 8 }, buffer, 0, options), 'singal'],
    ['writeAll', 'signal', (options) => writeAll({ writeSync: () => 8 }, buffer, 0, options), 'singal'],
    ['writeAllSync', 'flush', (options) => { writeAllSync({ writeSync: () => 8 }, buffer, 0, options); }, 'flsuh'],
    ['new DaxFile', 'readOnly', (options) => new DaxFile(inode, operations, options), 'readonly'],
    ['DaxFile.read', 'signal', (options) => file.read(buffer, 0, options), 'sign'],
    ['DaxFile.write', 'signal', (options) => file.write(buffer, 0, options), 'signl'],
    ['DaxFile.append', 'signal', (options) => file.append(buffer, options), 'signla'],
    ['DaxFile.mmap', 'populate', (options) => file.mmap(options), 'populated'],
    ['daxMmap', 'onSigbus', (options) => daxMmap(inode, options, operations.getBlock), 'onSigBus'],
    ['mount', 'readOnly', (options) => mount(memory, options), 'readonly'],
    ['mount', 'synchronous', (options) => mount(memory, options), 'synchronious'],
    ['mkfs', 'blockSize', (options) => mkfs(memory, options), 'blocksize'],
    ['mkfsSync', 'force', (options) => mkfsSync(memory, options), 'forced'],
    ['check', 'limit', (options) => check(memory, options), 'limits'],
    ['Ext2.resolve', 'follow', (options) => ext2.resolve('/', options), 'folow'],
    ['Ext2.create', 'owner', (options) => ext2.create(root, 'a', 0o644, options), 'Owner'],
    ['Ext2.mkdir', 'owner', (options) => ext2.mkdir(root, 'a', 0o755, options), 'owners'],
    ['Ext2.mknod', 'owner', (options) => ext2.mknod(root, 'a', S_IFIFO, undefined, options), 'ower'],
    ['Ext2.tmpfile', 'umask', (options) => ext2.tmpfile(root, 0o600, options), 'umsk'],
    ['Ext2.symlink', 'owner', (options) => ext2.symlink(root, 'a', 'b', options), 'oner'],
    ['Ext2.stat', 'nanoseconds', (options) => ext2.stat(root, options as never), 'nanosecond'],
    ['Ext2.setattr', 'mtimeMs', (options) => { ext2.setattr(root, options); }, 'mtimems'],
    ['Ext2.open', 'append', (options) => ext2.open(ext2.lookup(root, 'file') ?? ext2.create(root, 'file'), options), 'apend'],
    ['mountFuse', 'allowOther', (options) => mountFuse(ext2, '/nowhere', options), 'allowother'],
    ['FuseMount.unmount', 'force', (options) => FuseMount.prototype.unmount.call({}, options), 'forced'],
    ['unmountFuse', 'force', (options) => unmountFuse('/nowhere', options), 'forces'],
    ['createFs', 'umask', (options) => createFs(ext2, options), 'unmask'],
    ['createProvider', 'umask', (options) => createProvider(ext2, options), 'umsk'],
    ['mkfsFamfs', 'logLength', (options) => { mkfsFamfs(shared, options); }, 'loglength'],
    ['mountFamfs', 'readOnly', (options) => mountFamfs(shared, options), 'readonly'],
    ['openMountedFamfs', 'systemUuidFile', (options) => openMountedFamfs('/dev', options), 'systemUuidfile'],
    ['Famfs.resolve', 'follow', (options) => famfs.resolve('/', options), 'folow'],
    ['Famfs.stat', 'nanoseconds', (options) => famfs.stat('/', options as never), 'nanosecond'],
    ['Famfs.open', 'append', (options) => famfs.open('/f', options), 'apend'],
    ['Famfs.follow', 'everyMs', (options) => famfs.follow(undefined, options).next(), 'everyms'],
    ['Famfs.create', 'stripes', (options) => famfs.create('/a', 4096, options), 'stripe'],
    ['Famfs.mkdir', 'mode', (options) => famfs.mkdir('/a', options), 'mod'],
    ['FamfsMaking', 'owner', (options) => famfs.mkdir(famfs.root, 'a', 0o755, options), 'owners'],
    ['openLog', 'create', (options) => openLog(path, options), 'creat'],
    ['Log.records', 'copy', (options) => log.records(undefined, options).next(), 'copyy'],
    ['Log.entries', 'onLoss', (options) => log.entries(undefined, options).next(), 'onloss'],
    ['Log.follow', 'from', (options) => log.follow(undefined, options).next(), 'form'],
    ['axonram', 'size', (options) => axonram(device, options), 'siez'],
    ['brd', 'memory', (options) => brd({ size: SIZE, ...options }), 'memroy'],
    ['dcssblk', 'saved', (options) => dcssblk([{ path, access: 'shared', ...options }]), 'save'],
    ['striped', 'chunk', (options) => striped([device], options), 'chunks'],
    ['checkFilesystem', 'seed', (options) => checkFilesystem(() => { throw new Error('made'); }, options), 'sead'],
    ['checkDriver', 'seed', (options) => checkDriver(() => { throw new Error('made'); }, options), 'sede'],
    ['checkCrashes', 'limit', (options) => checkCrashes({} as never, options), 'limt'],
    ['checkCrashes', 'judge', (options) => checkCrashes(options as never), 'juge'],
    ['crashImages', 'from', (options) => crashImages({ content: new Uint8Array(), events: [] }, options).next(), 'form'],
    ['MemoryDevice.readSync', 'offset', (options) => memory.readSync(buffer, 0, options), 'ofset'],
    ['MemoryDevice.writeSync', 'flush', (options) => memory.writeSync(buffer, 0, options), 'flsh'],
    ['MemoryDevice.zeroSync', 'flush', (options) => memory.zeroSync(0, 8, options), 'fluch'],
    ['RecordingDevice.read', 'length', (options) => recording.read(buffer, 0, options), 'lengt'],
    ['RecordingDevice.write', 'flush', (options) => recording.write(buffer, 0, options), 'flushs'],
    ['bench', 'drivers', (options) => bench([{}] as never, options as never), 'driver'],
    ['checkBench', 'drivers', (options) => { checkBench([{}] as never, options as never); }, 'driver'],
    ['BenchOptions', 'numjobs', (options) => jobs(job, { ...job, ...options }), 'numJobs'],
    ['Job', 'theta', (options) => jobs({ ...job, random_distribution: { kind: 'zipf', theta: 1.2, ...options } }), 'teta'],
    ['Job', 'kind', (options) => jobs({ ...job, random_distribution: { kind: 'random', ...options } }), 'kinds'],
    ['Job', 'h', (options) => jobs({ ...job, random_distribution: { kind: 'pareto', h: 0.2, ...options } }), 'H'],
    ['runVm', 'nvdimms', (options) => runVm({ command: ['true'], ...options }), 'nvdims'],
    ['startVm', 'rw', (options) => startVm({ command: ['true'], ...options }), 'rww'],
    ['qemuCommand', 'append', (options) => qemuCommand({ command: ['true'], ...options }), 'apend'],
    ['cutPower', 'label', (options) => cutPower({ command: ['true'], nvdimms: [{ size: 16 * SIZE, kind: 'pmem', ...options }] }, { at: [1], check: ['true'] }), 'lable'],
    ['cutPower', 'onCut', (options) => cutPower({ command: ['true'] }, { at: [1], check: ['true'], ...options }), 'oncut'],
    ['vmObstacle', 'memory', (options) => vmObstacle(options), 'memroy'],
    ['VmOptions', 'file', (options) => runVm({ command: ['true'], nvdimms: [{ size: 16 * SIZE, kind: 'pmem', ...options }] }), 'fil'],
    ['demonstrate', 'ext2', (options) => demonstrate(path, { force: false, ...options }, {} as never), 'ext'],
  ];
  for (const [of, meant, action, misspelt] of odd) {
    const expected = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE', message: new RegExp(`there is no ${misspelt}: ${misspelt === 'abortsignal' ? 'there are' : meant}`) };
    await test.rejects((async () => { await action({ [misspelt]: undefined }); })(), expected, `${of}: ${misspelt} for ${meant}`);
  }
  test.strictSame([...ext2.readdir(root)].map(({ name }) => name).sort(), ['.', '..', 'file', 'lost+found'], 'nothing was made');
  test.strictSame(takers().filter((by) => !odd.some(([of]) => of === by)), [], 'who takes options has a row above');
  log.close();
  famfs.unmount();
  ext2.unmount();
});

/** Who takes an object with names that may be left out, so a misspelt one would be ignored. */
function takers(): string[] {
  const others: readonly string[] = [
    // What the author of a filesystem or a driver makes, with fields of his own beside these.
    ...['BlockDevice', 'ByteSink', 'ByteSource', 'Completion', 'Contents', 'DemoListener', 'InodeOperations', 'FuseFilesystem<I>', 'MountedFilesystem<FsInode>', 'SuperBlock'],
    'Partial<Pick<InodeOperations, "completeUnwritten" | "dirty" | "fsync">>',
    // What the package made.
    ...['CrashReport', 'Extent', 'Finding', 'Prepared', 'Report', 'Trace', 'VmFault'],
    // Of which nothing can be left out, and each value is checked.
    ...['CrashOperation<Fs>', 'DeviceNumber', 'Owner'],
  ];
  const taken = objectsTaken((type) => others.includes(type));
  // An object without one of its names is another type, whose fields have their rows.
  return [...new Set(taken.map(({ by }) => by).filter((by) => !by.startsWith('Omit<')))];
}

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
