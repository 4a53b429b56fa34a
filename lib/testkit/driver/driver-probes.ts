// Owns the probes of drivers: one for each rule of direct access, run on a device of its own.

import { Worker } from 'node:worker_threads';
import { join } from 'node:path';
import { DaxError, DaxFile, Inode, lockDevice, PAGE_SIZE, SECTOR_SIZE, type DaxMapping, type DriverDevice } from 'node-dax';
import { fail, type DriverSession } from './driver-session.js';
import type { DriverTask } from './driver-worker.js';
import { codeOf, type Outcome } from '../filesystem/probe.js';
import type { RuleId } from '../rules.js';

export interface DriverProbe {
  readonly rule: RuleId;
  readonly title: string;
  /** Whether it stores, which a read-only device refuses. */
  readonly stores: boolean;
  run(session: DriverSession): Outcome | Promise<Outcome>;
}

const SECTORS = PAGE_SIZE / SECTOR_SIZE;
const MAPPED = 256 * PAGE_SIZE;
// Bytes of a stamp. A page has one at its start and one at its end.
const STAMP = 16;

function stampOf(page: number, round: number): Buffer {
  const stamp = Buffer.alloc(STAMP, 0x5a);
  stamp.writeDoubleLE(page);
  stamp.writeUInt32LE(round, 8);
  return stamp;
}

function mark(window: Uint8Array, page: number, round: number): void {
  const stamp = stampOf(page, round);
  window.set(stamp, 0);
  window.set(stamp, PAGE_SIZE - STAMP);
}

function isMarked(window: Uint8Array, page: number, round: number, at = 0): boolean {
  const stamp = stampOf(page, round);
  return [at, at + PAGE_SIZE - STAMP].every((pos) => stamp.equals(window.subarray(pos, pos + STAMP)));
}

function markAll(session: DriverSession, round: number): void {
  for (const page of session.pages) mark(session.window(page), page, round);
}

/** The runs of consecutive pages. */
function runsOf(pages: readonly number[]): [first: number, count: number][] {
  const runs: [number, number][] = [];
  for (const page of pages) {
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === page) last[1]++;
    else runs.push([page, 1]);
  }
  return runs;
}

/** The device as a file, block by block. */
function asFile(device: DriverDevice, size: number): DaxFile {
  const inode = new Inode({ blockSize: PAGE_SIZE, bdev: device }, 1);
  inode.size = size;
  const operations = {
    getBlock: (_inode: Inode, iblock: number, bh: { size: number; map(bdev: DriverDevice, blocknr: number, bytes: number): void }) => {
      bh.map(device, iblock, bh.size);
    },
    truncateBlocks: () => undefined,
    fsync: () => undefined,
  };
  return new DaxFile(inode, operations);
}

// A mapping of the first pages of the device, in whole pages of the size that it maps; or why it cannot be mapped.
function mapped(device: DriverDevice): DaxMapping | string {
  try {
    const unit = device.pageSize ?? device.backing?.(0, PAGE_SIZE).device.alignment ?? PAGE_SIZE;
    const size = Math.min(device.size - (device.size % unit), Math.max(MAPPED, unit));
    return asFile(device, size).mmap({ populate: false });
  } catch (error) {
    if (error instanceof DaxError && error.reason === 'NOT_MAPPABLE') return error.message;
    throw error;
  }
}

function inWorker(task: DriverTask, mapping: DaxMapping): Promise<string | undefined> {
  const worker = new Worker(join(__dirname, 'driver-worker.js'), { workerData: task, execArgv: [] });
  return new Promise((resolve, reject) => {
    mapping.on('error', (error) => { resolve(String(error)); });
    worker.once('message', (found: string | undefined) => { resolve(found); });
    worker.once('error', reject);
    worker.once('exit', (code) => { resolve(`the thread ended with ${code}`); });
  });
}

export const DRIVER_PROBES: readonly DriverProbe[] = [
  {
    rule: 'DA-4',
    title: 'every page is there, by whatever length is asked for',
    stores: false,
    run({ device, pages }) {
      const sizes = [1, SECTOR_SIZE - 1, SECTOR_SIZE, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 2 * PAGE_SIZE, 64 * PAGE_SIZE, device.size];
      for (const page of pages) {
        const left = device.size - page * PAGE_SIZE;
        for (const size of new Set(sizes.map((wanted) => Math.min(wanted, left)))) {
          const answer = device.directAccess(page * SECTORS, size);
          if (answer.bytes < Math.min(size, PAGE_SIZE)) fail('DA-4', `page ${page}, ${size} bytes: ${answer.bytes} are there, less than a page`);
          // A read-only device gives no window.
          if (device.readOnly) continue;
          const { byteLength } = answer.window;
          if (byteLength !== answer.bytes) fail('DA-6', `page ${page}, ${size} bytes: the window has ${byteLength}, not ${answer.bytes}`);
        }
      }
    },
  },
  {
    rule: 'DA-5',
    title: 'nothing may be asked for, and is there',
    stores: false,
    run({ device, pages }) {
      for (const page of pages) {
        const code = codeOf(() => device.directAccess(page * SECTORS, 0));
        if (code !== undefined) fail('DA-5', `0 bytes of page ${page} are ${code}`);
      }
    },
  },
  {
    rule: 'DA-6',
    title: 'each page is memory of its own, and what lies together is said to',
    stores: true,
    run(session) {
      markAll(session, 1);
      for (const page of session.pages) {
        if (!isMarked(session.window(page), page, 1)) fail('DA-6', `page ${page} lost what was stored through its window: it is a copy, or another page is there, too`);
      }
      for (const [first, count] of runsOf(session.pages)) {
        const { bytes, window } = session.device.directAccess(first * SECTORS, count * PAGE_SIZE);
        for (let index = 0; (index + 1) * PAGE_SIZE <= bytes; index++) {
          if (isMarked(window, first + index, 1, index * PAGE_SIZE)) continue;
          fail('DA-6', `${bytes} bytes from page ${first} on are said to lie together, and page ${first + index} is not where it would be`);
        }
      }
    },
  },
  {
    rule: 'DA-6',
    title: 'an address stays: a window shows its page, whatever else is accessed (no smaller window is moved over the memory)',
    stores: true,
    run(session) {
      const windows = session.pages.map((page) => session.window(page));
      for (const [index, page] of session.pages.entries()) mark(windows[index] as Uint8Array, page, 2);
      for (const [index, page] of session.pages.entries()) {
        if (!isMarked(windows[index] as Uint8Array, page, 2)) fail('DA-6', `the window of page ${page} shows something else once others were accessed`);
      }
      for (const [index, page] of session.pages.entries()) {
        mark(session.window(page), page, 3);
        if (!isMarked(windows[index] as Uint8Array, page, 3)) fail('DA-6', `page ${page} is at another address the second time`);
      }
    },
  },
  {
    rule: 'DA-6',
    title: 'a store through a window is seen by reads, and a write by windows',
    stores: true,
    async run(session) {
      const { device } = session;
      markAll(session, 4);
      for (const [first, count] of runsOf(session.pages)) {
        const bytes = Buffer.alloc(count * PAGE_SIZE);
        for (const [way, read] of [
          ['readSync', () => device.readSync(bytes, first * PAGE_SIZE)],
          ['read', () => device.read(bytes, first * PAGE_SIZE)],
        ] as const) {
          const moved = await read();
          if (moved !== bytes.length) fail('DA-7', `${way} of ${count} pages from ${first} on gave ${moved} bytes`);
          for (let index = 0; index < count; index++) {
            if (!isMarked(bytes, first + index, 4, index * PAGE_SIZE)) fail('DA-6', `${way} of page ${first + index} does not give what was stored through its window`);
          }
        }
        for (let index = 0; index < count; index++) mark(bytes.subarray(index * PAGE_SIZE), first + index, 5);
        device.writeSync(bytes, first * PAGE_SIZE);
        device.persist(first * PAGE_SIZE, bytes.length);
      }
      for (const page of session.pages) {
        if (!isMarked(session.window(page), page, 5)) fail('DA-6', `the window of page ${page} does not show what was written`);
      }
      for (const page of session.pages) device.zeroSync(page * PAGE_SIZE, PAGE_SIZE);
      for (const page of session.pages) {
        if (session.window(page).some((byte) => byte !== 0)) fail('DA-6', `the window of page ${page} does not show that it was zeroed`);
      }
    },
  },
  {
    rule: 'DA-6',
    title: 'a page frame names one page, and always the same',
    stores: false,
    run({ device, pages }) {
      const owners = new Map<number, number>();
      for (const round of [1, 2]) {
        for (const page of pages) {
          const { pfn } = device.directAccess(page * SECTORS, PAGE_SIZE);
          if (pfn === undefined) return 'the driver tells no page frames';
          const owner = owners.get(pfn);
          if (owner !== undefined && owner !== page) fail('DA-6', `pages ${owner} and ${page} have the page frame ${pfn}`);
          if (round === 2 && owner === undefined) fail('DA-6', `the page frame of page ${page} has changed to ${pfn}`);
          owners.set(pfn, page);
        }
      }
      return undefined;
    },
  },
  {
    rule: 'DA-6',
    title: 'copies that are under way at the same time get bytes of their own',
    stores: true,
    async run({ device, pages }) {
      const write = async (page: number): Promise<void> => {
        const stamp = Buffer.alloc(PAGE_SIZE, (page % 250) + 1);
        await device.write(stamp, page * PAGE_SIZE);
        const found = Buffer.alloc(PAGE_SIZE);
        await device.read(found, page * PAGE_SIZE);
        if (!found.equals(stamp)) fail('DA-6', `page ${page} was written, and something else is read, while others are written`);
      };
      await Promise.all(pages.map(write));
    },
  },
  {
    rule: 'FT-10',
    title: 'another thread that maps it sees the same memory',
    stores: true,
    async run(session) {
      const { device } = session;
      const mapping = mapped(device);
      if (typeof mapping === 'string') return mapping;
      try {
        const count = mapping.length / PAGE_SIZE;
        for (let page = 0; page < count; page++) mark(session.window(page), page, 6);
        const stamps = { before: 6, after: 7 };
        const found = await inWorker({ handle: mapping.handle, pages: count, ...stamps }, mapping);
        if (found !== undefined) fail('FT-10', found);
        for (let page = 0; page < count; page++) {
          if (new DataView(session.window(page).buffer, session.window(page).byteOffset).getUint32(8, true) !== stamps.after) {
            fail('FT-10', `what a thread stored to page ${page} through a mapping is not in its window`);
          }
        }
      } finally {
        mapping.unmap();
      }
      return undefined;
    },
  },
  {
    rule: 'lock',
    title: 'who locks it has it alone, until it is released',
    stores: true,
    run({ device }) {
      const lock = lockDevice(device, 'exclusive');
      const second = codeOf(() => { lockDevice(device, 'shared', 0, PAGE_SIZE).release(); });
      if (second !== 'EBUSY') fail('lock', `a second lock is ${second ?? 'given'}`);
      lock.release();
      const later = codeOf(() => {
        const [one, two] = [lockDevice(device, 'shared'), lockDevice(device, 'shared')];
        one.release();
        two.release();
        lockDevice(device, 'exclusive').release();
      });
      if (later !== undefined) fail('lock', `once it was released, another lock is ${later}`);
    },
  },
  {
    rule: 'unplug',
    title: 'unplugged while it is in use, everything is ENODEV, and the driver is released once and left alone',
    stores: true,
    async run(session) {
      const { device, pages } = session;
      const bytes = Buffer.alloc(Math.min(device.size, 4 * 1024 * 1024));
      const last = session.window(pages[0] as number);
      // The reads are awaited before `unplug` can throw, because their rejections would otherwise end the process.
      const reads = Promise.allSettled(pages.slice(0, 8).map((page) => device.read(bytes, page * PAGE_SIZE)));
      device.unplug();
      for (const result of await reads) {
        if (result.status === 'rejected' && (result.reason as { code?: string }).code !== 'ENODEV') fail('unplug', `a read under way ended with ${String(result.reason)}`);
      }
      device.unplug();
      await device.close();
      const calls: Record<string, () => unknown> = {
        directAccess: () => device.directAccess(0, PAGE_SIZE),
        readSync: () => device.readSync(bytes, 0),
        writeSync: () => device.writeSync(bytes, 0),
        zeroSync: () => device.zeroSync(0, 1),
        persist: () => { device.persist(0, 1); },
      };
      for (const [name, call] of Object.entries(calls)) {
        const code = codeOf(call);
        if (code !== 'ENODEV') fail('unplug', `${name} is ${code ?? 'done'} afterwards`);
      }
      // The window is detached or still memory: a load from it must work either way.
      if (last.byteLength > 0 && last[0] === undefined) fail('unplug', 'a window has no memory any more');
      const { releases = 1, late } = session;
      if (releases !== 1) fail('unplug', `the driver was released ${releases} times`);
      if (late > 0) fail('unplug', `the driver was asked ${late} times after it was released`);
    },
  },
];
