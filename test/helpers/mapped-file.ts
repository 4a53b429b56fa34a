// Owns the ground that mappings are tested on: a test filesystem on a part of each kind of device.

import type { Test } from 'tap';
import {
  DaxError,
  daxMmap,
  PAGE_SIZE,
  type BlockDevice,
  type DaxDevice,
  type DaxFile,
  type DaxMapping,
  type Inode,
  type MmapOptions,
  type VmArea,
} from 'node-dax';
import { onDevices, onEveryDevice, onEveryKind, type TestDevice } from './devices.js';
import { Tfs, type TfsInode, type TfsOptions } from './tfs.js';
import { watch } from './watchdog.js';

// Pages of the device that a filesystem has: what fits the files that tests are run on.
const PAGES = 1024;
const HUGE_PAGES = 24;

export class Ground {
  readonly test: Test;
  readonly wanted: TestDevice;
  readonly device: DaxDevice;
  /** Bytes in a page: what the device maps at the least. */
  readonly page: number;
  /** Of which the device has so many. */
  readonly pages: number;

  constructor(test: Test, wanted: TestDevice) {
    this.test = test;
    this.wanted = wanted;
    this.device = wanted.open();
    this.page = Math.max(PAGE_SIZE, this.device.alignment);
    this.pages = this.page > PAGE_SIZE ? HUGE_PAGES : PAGES;
  }

  get blocksPerPage(): number {
    return this.page / PAGE_SIZE;
  }

  /** A private mapping can be had. */
  get hasPrivate(): boolean {
    return this.wanted.kind !== 'devdax';
  }

  fs(options: TfsOptions = {}): Tfs {
    const cluster = this.blocksPerPage;
    const fitted = cluster > 1 ? { cluster, holeLen: true } : {};
    return new Tfs({ devices: [this.device], blocksPerDevice: (this.pages * this.page) / PAGE_SIZE, ...fitted, ...options });
  }

  /**
   * A file of holes and a mapping of it. It is mapped before it has its size, so the owner has nothing to resolve: every page is
   * left to faults.
   */
  holes(pages: number, options: MmapOptions = {}, fsOptions: TfsOptions = {}): MappedFile {
    const fs = this.fs(fsOptions);
    const inode = fs.inode();
    const file = fs.file(inode);
    const mapping = daxMmap(inode, { length: pages * this.page, ...options }, fs.operations.getBlock, fs.operations);
    this.test.teardown(() => {
      mapping.unmap();
    });
    file.truncateSync(pages * this.page);
    inode.mtimeMs = inode.ctimeMs = inode.atimeMs = 0;
    fs.forget(file);
    return { fs, file, inode, mapping };
  }

  /** Another mapping of the file. */
  map({ fs, inode }: Pick<MappedFile, 'fs' | 'inode'>, options: MmapOptions = {}): DaxMapping {
    const mapping = daxMmap(inode, options, fs.operations.getBlock, fs.operations);
    this.test.teardown(() => {
      mapping.unmap();
    });
    return mapping;
  }

  /** Makes page `n` of the file hold `value` in every byte. */
  write({ file }: Pick<MappedFile, 'file'>, n: number, value: number): void {
    file.writeSync(Buffer.alloc(this.page, value), n * this.page);
  }

  /** What the medium holds for page `n` of the file: the device's own memory. */
  media({ fs, inode }: Pick<MappedFile, 'fs' | 'inode'>, n: number): Uint8Array {
    const place = fs.placeOf(inode, n * this.blocksPerPage);
    if (place === undefined) throw new Error(`page ${n} is a hole`);
    return this.device.view(place.pos, this.page);
  }

  isHole({ fs, inode }: Pick<MappedFile, 'fs' | 'inode'>, n: number): boolean {
    return fs.placeOf(inode, n * this.blocksPerPage) === undefined;
  }

  /** Byte `pos` of page `n` as read(2) gives it. */
  read({ file }: Pick<MappedFile, 'file'>, n: number, pos = 0): number | undefined {
    const byte = Buffer.alloc(1);
    return file.readSync(byte, n * this.page + pos) === 1 ? byte[0] : undefined;
  }
}

export interface MappedFile {
  fs: Tfs;
  file: DaxFile;
  inode: TfsInode;
  mapping: DaxMapping;
}

type Run = (test: Test, ground: Ground) => Promise<void> | void;

function grounded(run: Run, seconds?: number) {
  return async (test: Test, wanted: TestDevice): Promise<void> => {
    watch(test, seconds);
    await run(test, new Ground(test, wanted));
  };
}

/** Runs a test on a filesystem on every device, guarded against hanging for longer than so many seconds. */
export function onEveryGround(title: string, run: Run, seconds?: number): void {
  onEveryDevice(title, grounded(run, seconds));
}

/** As `onEveryGround`, on one device of each kind. */
export function onEveryKindOfGround(title: string, run: Run, seconds?: number): void {
  onEveryKind(title, grounded(run, seconds));
}

/** As `onEveryGround`, on one device of each size of page: for what maps nothing. */
export function onEverySizeOfPage(title: string, run: Run): void {
  onDevices(title, ['a tmpfs file', 'devdax of 4 KiB', 'devdax of 2 MiB'], grounded(run));
}

/** A mapping as a fault handler sees it, which only notes what is installed, and fails when it is told to. */
export class NotedArea implements VmArea {
  readonly inode: Inode;
  readonly pgoff = 0;
  readonly pages: number;
  readonly pageSize: number;
  readonly shared: boolean;
  readonly operations: Tfs['operations'];
  readonly log: (readonly ['insert' | 'zeros', pgoff: number, count: number, pos?: number])[] = [];
  /** The errno of every insertion. */
  failure: string | undefined;
  /** Called before anything is installed. */
  onInsert: ((bdev: BlockDevice, pos: number) => void) | undefined;

  constructor(ground: Pick<Ground, 'page'>, fs: Tfs, inode: Inode, pages: number, shared = true) {
    this.inode = inode;
    this.pages = pages;
    this.pageSize = ground.page;
    this.shared = shared;
    this.operations = fs.operations;
  }

  insert(pgoff: number, count: number, bdev: BlockDevice, pos: number): void {
    this.onInsert?.(bdev, pos);
    if (this.failure !== undefined) throw new DaxError({ errno: this.failure, syscall: 'insert' });
    this.log.push(['insert', pgoff, count, pos]);
  }

  insertZeros(pgoff: number, count: number): void {
    if (this.failure !== undefined) throw new DaxError({ errno: this.failure, syscall: 'insert' });
    this.log.push(['zeros', pgoff, count]);
  }
}
