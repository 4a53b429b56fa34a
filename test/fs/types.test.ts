// The types of the facade, checked by the compiler: what `createFs` returns has the type of `node:fs`, and its parts have the types
// of node:fs's parts. Where they do not, a comment there gives the reason, and the compiler reports it when the exception is no
// longer needed.

import type * as nodeFs from 'node:fs';
import type * as nodePromises from 'node:fs/promises';
import t from 'tap';
import { createFs } from 'node-dax/fs';
import { memoryFs } from '../helpers/full-fs.js';
import type { AsyncCalls } from '../../lib/fs/calls/async-calls.js';
import type { SyncCalls } from '../../lib/fs/calls/sync-calls.js';
import type { Dir } from '../../lib/fs/open/dir.js';
import type { FileHandle } from '../../lib/fs/open/file-handle.js';
import type { StatFs } from '../../lib/fs/tree/stats.js';
import type { FSWatcher } from '../../lib/fs/watch/watch.js';

type Fs = typeof nodeFs;
type Promises = typeof nodePromises;

type Fulfils<Mine extends Theirs, Theirs> = [Mine, Theirs];

/** The synchronous calls. */
export type Sync = [
  Fulfils<SyncCalls['accessSync'], Fs['accessSync']>,
  Fulfils<SyncCalls['appendFileSync'], Fs['appendFileSync']>,
  Fulfils<SyncCalls['chmodSync'], Fs['chmodSync']>,
  Fulfils<SyncCalls['chownSync'], Fs['chownSync']>,
  Fulfils<SyncCalls['closeSync'], Fs['closeSync']>,
  Fulfils<SyncCalls['copyFileSync'], Fs['copyFileSync']>,
  Fulfils<SyncCalls['existsSync'], Fs['existsSync']>,
  Fulfils<SyncCalls['fchmodSync'], Fs['fchmodSync']>,
  Fulfils<SyncCalls['fchownSync'], Fs['fchownSync']>,
  Fulfils<SyncCalls['fdatasyncSync'], Fs['fdatasyncSync']>,
  // @ts-expect-error -- numbers or bigints depend on the options
  Fulfils<SyncCalls['fstatSync'], Fs['fstatSync']>,
  Fulfils<SyncCalls['fsyncSync'], Fs['fsyncSync']>,
  Fulfils<SyncCalls['ftruncateSync'], Fs['ftruncateSync']>,
  Fulfils<SyncCalls['futimesSync'], Fs['futimesSync']>,
  Fulfils<SyncCalls['lchownSync'], Fs['lchownSync']>,
  Fulfils<SyncCalls['linkSync'], Fs['linkSync']>,
  // @ts-expect-error -- numbers or bigints depend on the options
  Fulfils<SyncCalls['lstatSync'], Fs['lstatSync']>,
  Fulfils<SyncCalls['lutimesSync'], Fs['lutimesSync']>,
  Fulfils<SyncCalls['mkdirSync'], Fs['mkdirSync']>,
  // @ts-expect-error -- the result depends on the encoding
  Fulfils<SyncCalls['mkdtempSync'], Fs['mkdtempSync']>,
  Fulfils<SyncCalls['openSync'], Fs['openSync']>,
  Fulfils<SyncCalls['readSync'], Fs['readSync']>,
  // @ts-expect-error -- the result depends on the encoding
  Fulfils<SyncCalls['readFileSync'], Fs['readFileSync']>,
  // @ts-expect-error -- the encoding and types depend on the options
  Fulfils<SyncCalls['readdirSync'], Fs['readdirSync']>,
  // @ts-expect-error -- the result depends on the encoding
  Fulfils<SyncCalls['readlinkSync'], Fs['readlinkSync']>,
  Fulfils<SyncCalls['readvSync'], Fs['readvSync']>,
  Fulfils<SyncCalls['renameSync'], Fs['renameSync']>,
  Fulfils<SyncCalls['rmSync'], Fs['rmSync']>,
  Fulfils<SyncCalls['rmdirSync'], Fs['rmdirSync']>,
  // @ts-expect-error -- numbers or bigints depend on the options
  Fulfils<SyncCalls['statSync'], Fs['statSync']>,
  // @ts-expect-error -- numbers or bigints depend on the options
  Fulfils<SyncCalls['statfsSync'], Fs['statfsSync']>,
  Fulfils<SyncCalls['symlinkSync'], Fs['symlinkSync']>,
  Fulfils<SyncCalls['truncateSync'], Fs['truncateSync']>,
  Fulfils<SyncCalls['unlinkSync'], Fs['unlinkSync']>,
  Fulfils<SyncCalls['utimesSync'], Fs['utimesSync']>,
  Fulfils<SyncCalls['writeSync'], Fs['writeSync']>,
  Fulfils<SyncCalls['writeFileSync'], Fs['writeFileSync']>,
  Fulfils<SyncCalls['writevSync'], Fs['writevSync']>,
  Fulfils<SyncCalls['realpathSync'], (path: nodeFs.PathLike, options?: nodeFs.EncodingOption) => unknown>,
];

/** The calls that promises are made of. */
export type Promised = [
  Fulfils<AsyncCalls['access'], Promises['access']>,
  Fulfils<AsyncCalls['appendFile'], Promises['appendFile']>,
  Fulfils<AsyncCalls['chmod'], Promises['chmod']>,
  Fulfils<AsyncCalls['chown'], Promises['chown']>,
  Fulfils<AsyncCalls['copyFile'], Promises['copyFile']>,
  Fulfils<AsyncCalls['lchown'], Promises['lchown']>,
  Fulfils<AsyncCalls['link'], Promises['link']>,
  // @ts-expect-error -- numbers or bigints depend on the options
  Fulfils<AsyncCalls['lstat'], Promises['lstat']>,
  Fulfils<AsyncCalls['lutimes'], Promises['lutimes']>,
  // @ts-expect-error -- undefined or a path depends on the options
  Fulfils<AsyncCalls['mkdir'], Promises['mkdir']>,
  // @ts-expect-error -- the result depends on the encoding
  Fulfils<AsyncCalls['mkdtemp'], Promises['mkdtemp']>,
  // @ts-expect-error -- what readFile of its handle gives depends on the encoding
  Fulfils<AsyncCalls['open'], Promises['open']>,
  // @ts-expect-error -- the result depends on the encoding
  Fulfils<AsyncCalls['readFile'], Promises['readFile']>,
  // @ts-expect-error -- the encoding and types depend on the options
  Fulfils<AsyncCalls['readdir'], Promises['readdir']>,
  // @ts-expect-error -- the result depends on the encoding
  Fulfils<AsyncCalls['readlink'], Promises['readlink']>,
  Fulfils<AsyncCalls['rename'], Promises['rename']>,
  Fulfils<AsyncCalls['rm'], Promises['rm']>,
  Fulfils<AsyncCalls['rmdir'], Promises['rmdir']>,
  // @ts-expect-error -- numbers or bigints depend on the options
  Fulfils<AsyncCalls['stat'], Promises['stat']>,
  // @ts-expect-error -- numbers or bigints depend on the options
  Fulfils<AsyncCalls['statfs'], Promises['statfs']>,
  Fulfils<AsyncCalls['symlink'], Promises['symlink']>,
  Fulfils<AsyncCalls['truncate'], Promises['truncate']>,
  Fulfils<AsyncCalls['unlink'], Promises['unlink']>,
  Fulfils<AsyncCalls['utimes'], Promises['utimes']>,
  Fulfils<AsyncCalls['writeFile'], Promises['writeFile']>,
];

/** The classes. */
export type Classes = [
  // @ts-expect-error -- what readFile gives depends on the encoding
  Fulfils<FileHandle, nodePromises.FileHandle>,
  Fulfils<Dir, nodeFs.Dir>,
  Fulfils<StatFs, nodeFs.StatsFs>,
  Fulfils<FSWatcher, nodeFs.FSWatcher>,
];

t.test('what createFs gives is node:fs to the compiler', (test) => {
  const { fs, ext2 } = memoryFs(2 * 1024 * 1024);
  const { promises } = createFs(ext2) satisfies Fs;
  promises satisfies Promises;
  test.equal(fs.existsSync('/'), true);
  ext2.unmount();
  test.end();
});
