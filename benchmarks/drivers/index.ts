// Every driver by name. Those of node run in trial.ts, those of C are programs in benchmarks/native.

import { scattered, type Driver } from '../driver.js';
import { blockDeviceReadSync, brdFirstTouch, pageLookup, stripedReadSync } from './block-devices.js';
import { daxDoIoRead } from './dax-do-io.js';
import { ext2Files, ext2Lookup, ext2Mount, ext2ReadSync, ext2Rewrite, ext2Write } from './ext2.js';
import { extentsDaxDoIo, extentsFind } from './extents.js';
import * as facade from './facade.js';
import { ext2Open, ext2Stat, famfsMapping, famfsOpen, famfsStat } from './famfs.js';
import { faultAmongMany, faultEachPage, firstTouch, loadFromMapping, loadFromView } from './fault.js';
import { fileHandleRead, fsFiles, fsReadSync, fsReadSyncDirect, fsWriteSync } from './fs.js';
import { logAppend, logAppendMany, logEntries, logOpen, logRecords } from './log.js';
import { lmdbPutSync, mmapIoRead, mmapIoWrite } from './peers.js';
import { daxRead, daxReadSync, daxView, daxWriteSync, daxWriteSyncPersist } from './node-dax.js';

const readdirSync = facade.readdirSync(10_000);

export const DRIVERS = {
  'dax-readSync': daxReadSync,
  'dax-read': daxRead,
  'dax-writeSync': daxWriteSync,
  'dax-writeSync-persist': daxWriteSyncPersist,
  'dax-view': daxView,
  'blockDevice-readSync': blockDeviceReadSync,
  'striped-readSync': stripedReadSync,
  'brd-first-touch': brdFirstTouch,
  'page-lookup-1000': pageLookup(1000),
  'page-lookup-10000000': pageLookup(10_000_000),
  'daxDoIo-read': daxDoIoRead,
  'find-1': extentsFind(1),
  'find-100000': extentsFind(100_000),
  'daxDoIo-1': extentsDaxDoIo(1),
  'daxDoIo-100000': extentsDaxDoIo(100_000),
  'fs-readSync': fsReadSync,
  'fs-readSync-direct': fsReadSyncDirect,
  'fs-writeSync-fdatasync': fsWriteSync,
  'FileHandle-read': fileHandleRead,
  'fs-readSync-scattered': scattered(fsReadSync),
  'fs-files': fsFiles,
  'ext2-readSync-scattered': scattered(ext2ReadSync),
  'ext2-write': ext2Write,
  'ext2-rewrite': ext2Rewrite,
  'ext2-files': ext2Files,
  'ext2-lookup-50': ext2Lookup(50),
  'ext2-lookup-50000': ext2Lookup(50_000),
  'ext2-mount': ext2Mount,
  'facade-readFileSync': facade.readFileSync.ours,
  'fs-readFileSync': facade.readFileSync.node,
  'vfs-readFileSync': facade.vfsReadFileSync,
  'facade-readFile': facade.readFile.ours,
  'fs-readFile': facade.readFile.node,
  'facade-writeFileSync': facade.writeFileSync.ours,
  'fs-writeFileSync': facade.writeFileSync.node,
  'facade-statSync': facade.statSync.ours,
  'fs-statSync': facade.statSync.node,
  'facade-readdirSync': readdirSync.ours,
  'fs-readdirSync': readdirSync.node,
  'facade-createReadStream': facade.createReadStream.ours,
  'fs-createReadStream': facade.createReadStream.node,
  'famfs-stat': famfsStat,
  'ext2-stat': ext2Stat,
  'famfs-open': famfsOpen,
  'ext2-open': ext2Open,
  'famfs-mapping': famfsMapping(0),
  'famfs-mapping-striped': famfsMapping(4),
  'fault-each-page': faultEachPage,
  'fault-among-10000': faultAmongMany,
  'first-touch-mapping': firstTouch,
  'load-mapping': loadFromMapping,
  'load-view': loadFromView,
  'log-append': logAppend,
  'log-appendMany': logAppendMany,
  'log-entries': logEntries,
  'log-open': logOpen,
  'log-records': logRecords,
  'lmdb-putSync': lmdbPutSync,
  'mmap-io-read': mmapIoRead,
  'mmap-io-write': mmapIoWrite,
} satisfies Record<string, Driver>;

/** A program of benchmarks/native and the libraries it is linked with. */
export const PROGRAMS = {
  memcpy: { libraries: [], done: 'the bytes are in the buffer' },
  userfault: { libraries: ['-lpthread'], done: 'the page of the file is there, put by another thread' },
  'first-touch': { libraries: [], done: 'the page is there, put by the kernel' },
  pmemlog: { libraries: ['-lpmemlog'], done: 'the bytes and then the offset have left the CPU caches: pmemlog_append has returned' },
  libpmem: { libraries: ['-lpmem'], done: 'the bytes have left the CPU caches: pmem_memcpy_persist has returned' },
} satisfies Record<string, { libraries: string[]; done: string }>;

export type DriverName = keyof typeof DRIVERS;
export type ProgramName = keyof typeof PROGRAMS;
