// Owns the drivers of this package: views, synchronous and awaited reads and writes, and those of two halves as one device.

import { openSync, PAGE_SIZE, partition, SECTOR_SIZE, type BlockDevice, type DaxDevice } from 'node-dax';
import { striped } from 'node-dax/drivers';
import { COPIED, durable, IN_PLACE, inFlight, type Driver, type Operations, type Target } from './driver.js';
import { isOfFiles, syncEvery, writes, type Job } from '../jobs/job.js';
import { blockBuffer, slotBuffers } from './block-buffer.js';

const CACHE_LINE = 64;
// Contiguous bytes on one half: at least as many as devices map at once.
const CHUNK = 2 * 1024 * 1024;

// Touches every page, because the first touch of a page is a page fault, which a program that runs longer than a trial does not
// notice. The first store to a page is another fault, which tells the filesystem of the store.
function touchPages(device: BlockDevice, job: Job): void {
  const byte = new Uint8Array(1);
  for (let pos = 0; pos < job.size; pos += PAGE_SIZE) {
    device.readSync(byte, pos);
    if (writes(job)) device.writeSync(byte, pos, { flush: false });
  }
}

function openFor(job: Job, { path, force }: Target, readOnly = !writes(job)): DaxDevice {
  const device = openSync(path, { readOnly, force });
  touchPages(device, job);
  return device;
}

function persistWords({ granularity }: Target): string {
  return { byte: 'a fence', cache_line: 'cache lines flushed and a fence', page: 'msync' }[granularity];
}

function writeWords(store: string, job: Job, target: Target): string {
  const every = syncEvery(job);
  if (every === 0) return store;
  return `${store}, then ${persistWords(target)}${every === 1 ? '' : ` every ${every} writes`}`;
}

/**
 * Wraps `write`: after every `every` calls it makes the ranges written since then durable, one by one if cache lines are flushed,
 * or as one range that covers them all if it is msync.
 */
function persistingEvery(every: number, device: BlockDevice, bs: number, write: (pos: number) => void): (pos: number) => void {
  if (every === 0) return write;
  const since: number[] = [];
  return (pos) => {
    write(pos);
    if (since.push(pos) < every) return;
    if (device.granularity === 'page') {
      const first = Math.min(...since);
      device.persist(first, Math.max(...since) + bs - first);
    } else {
      for (const start of since) device.flush(start, bs);
      device.drain();
    }
    since.length = 0;
  };
}

const noFiles = (job: Job): string | undefined => (isOfFiles(job) ? 'a device is one piece of memory, without files' : undefined);

export const view: Driver = {
  name: 'node-dax view',
  obstacle: noFiles,
  done: (job) => ({ read: IN_PLACE, write: durable(syncEvery(job)) }),
  how: (job, target) => ({
    read: 'a view of the block, one load from each of its cache lines; no copy',
    write: writeWords('view.set()', job, target),
  }),
  open(job, target) {
    const { bs } = job;
    // A job that only reads opens the target read-only, except a devdax, which has no views then.
    const device = openFor(job, target, target.kind !== 'devdax' && !writes(job));
    const buffer = blockBuffer(bs);
    return {
      awaited: false,
      source: () => buffer,
      found: (pos) => device.view(pos, bs),
      read: (pos) => {
        const block = device.view(pos, bs);
        let sum = 0;
        for (let i = 0; i < bs; i += CACHE_LINE) sum += block[i] ?? 0;
        return sum;
      },
      write: persistingEvery(syncEvery(job), device, bs, (pos) => {
        device.view(pos, bs).set(buffer);
      }),
      close: () => device.close(),
    };
  },
};

function copying(device: BlockDevice, job: Job, close: () => unknown): Operations {
  const every = syncEvery(job);
  const buffer = blockBuffer(job.bs);
  const writeLater = (pos: number): void => {
    device.writeSync(buffer, pos, { flush: false });
  };
  return {
    awaited: false,
    source: () => buffer,
    found: () => buffer,
    read: (pos) => device.readSync(buffer, pos),
    write: every === 1 ? (pos) => device.writeSync(buffer, pos) : persistingEvery(every, device, job.bs, writeLater),
    close,
  };
}

export const readSync: Driver = {
  name: 'node-dax sync',
  obstacle: noFiles,
  done: (job) => ({ read: COPIED, write: durable(syncEvery(job)) }),
  how: (job, target) => ({ read: 'readSync()', write: writeWords('writeSync()', job, target) }),
  open(job, target) {
    const device = openFor(job, target);
    return copying(device, job, () => device.close());
  },
};

// The bytes of the job as the halves of them, chunk by chunk in turn.
export const readStriped: Driver = {
  name: 'node-dax striped',
  isOptional: true,
  obstacle: (job) => noFiles(job) ?? (job.size % (2 * CHUNK) === 0 ? undefined : `two halves of whole chunks want a --size that is a multiple of ${2 * CHUNK}`),
  done: (job) => ({ read: COPIED, write: durable(syncEvery(job)) }),
  how: (job, target) => ({
    read: 'readSync() of the device that striped() makes of two halves',
    write: writeWords('writeSync() to the device that striped() makes of two halves', job, target),
  }),
  open(job, target) {
    const below = openFor(job, target);
    const sectors = job.size / 2 / SECTOR_SIZE;
    const device = striped([partition(below, 0, sectors), partition(below, sectors, sectors)], { chunk: CHUNK });
    return copying(device, job, () => below.close());
  },
};

export const readAwaited: Driver = {
  name: 'node-dax async',
  isDeep: true,
  done: (job) => ({ read: COPIED, write: durable(syncEvery(job)) }),
  how: (job, target) => ({ read: `await read()${inFlight(job)}`, write: `${writeWords('await write()', job, target)}${inFlight(job)}` }),
  obstacle: (job) => noFiles(job) ?? (writes(job) && syncEvery(job) > 1 ? 'there is no awaited persist' : undefined),
  open(job, target) {
    const options = { flush: syncEvery(job) === 1 };
    const device = openFor(job, target);
    const buffer = slotBuffers(job.iodepth, job.bs);
    return {
      awaited: true,
      source: buffer,
      found: (_, slot) => buffer(slot),
      read: (pos, slot) => device.read(buffer(slot), pos),
      write: (pos, slot) => device.write(buffer(slot), pos, options),
      close: () => device.close(),
    };
  },
};
