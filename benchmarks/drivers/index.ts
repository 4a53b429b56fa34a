// Every driver by name. Those of node run in trial.ts, those of C are programs in benchmarks/native.

import type { Driver } from '../driver.js';
import { fileHandleRead, fsReadSync, fsReadSyncDirect, fsWriteSync } from './fs.js';
import { mmapIoRead, mmapIoWrite } from './peers.js';
import { daxRead, daxReadSync, daxView, daxWriteSync, daxWriteSyncPersist } from './node-dax.js';

export const DRIVERS = {
  'dax-readSync': daxReadSync,
  'dax-read': daxRead,
  'dax-writeSync': daxWriteSync,
  'dax-writeSync-persist': daxWriteSyncPersist,
  'dax-view': daxView,
  'fs-readSync': fsReadSync,
  'fs-readSync-direct': fsReadSyncDirect,
  'fs-writeSync-fdatasync': fsWriteSync,
  'FileHandle-read': fileHandleRead,
  'mmap-io-read': mmapIoRead,
  'mmap-io-write': mmapIoWrite,
} satisfies Record<string, Driver>;

/** A program of benchmarks/native and the libraries it is linked with. */
export const PROGRAMS = {
  memcpy: { libraries: [], done: 'the bytes are in the buffer' },
  libpmem: { libraries: ['-lpmem'], done: 'the bytes have left the CPU caches: pmem_memcpy_persist has returned' },
} satisfies Record<string, { libraries: string[]; done: string }>;

export type DriverName = keyof typeof DRIVERS;
export type ProgramName = keyof typeof PROGRAMS;
