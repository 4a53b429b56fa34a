// Owns the drivers of node:fs: buffered, with O_DIRECT, and FileHandle promises.

import * as fs from 'node:fs';
import { PAGE_SIZE } from 'node-dax';
import { ACCEPTED, COPIED, durable, inFlight, KNOWN, SEEN, type Done, type Driver, type Target } from './driver.js';
import { isOfFiles, syncEvery, writes, type Job } from '../jobs/job.js';
import { blockBuffer, directIoNeeds, directObstacle, slotBuffers } from './block-buffer.js';
import { awaitedFiles, FILE_WORDS, files } from './files.js';

const { O_RDONLY, O_RDWR, O_DIRECT, O_DSYNC } = fs.constants;

// O_DSYNC makes each write durable in one call; a sync after every N-th write must be a separate call.
function openFlags(job: Job): number {
  if (!writes(job)) return O_RDONLY;
  return syncEvery(job) === 1 ? O_RDWR + O_DSYNC : O_RDWR;
}

function writeWords(flags: string, job: Job): string {
  const every = syncEvery(job);
  const call = job.fsync > 0 ? 'fsync' : 'fdatasync';
  if (every === 1) return `write with ${flags}O_DSYNC`;
  const plain = flags === '' ? 'write' : `write with ${flags.replace(/ \| $/, '')}`;
  return every === 0 ? plain : `${plain}, then ${call} every ${every} writes`;
}

function noCall(job: Job, { kind, folder }: Target): string | undefined {
  if (isOfFiles(job)) return folder === undefined ? 'there are no files beside a device' : undefined;
  return kind === 'devdax' ? 'a devdax has no read(2) or write(2)' : undefined;
}

const readFlags = (flags: string): string => (flags === '' ? '' : ` with ${flags.replace(/ \| $/, '')}`);

const writeDone = (flags: number, job: Job): string => (flags === O_DIRECT && syncEvery(job) === 0 ? ACCEPTED : durable(syncEvery(job)));

const FILES_DONE: Done = { read: KNOWN, write: SEEN };

function syncingEvery(job: Job, write: (pos: number) => unknown, sync: () => unknown): (pos: number) => unknown {
  const every = syncEvery(job);
  if (every < 2) return write;
  let since = 0;
  return (pos) => {
    write(pos);
    since += 1;
    if (since < every) return;
    since = 0;
    sync();
  };
}

function synchronous(name: string, words: string, extraFlags: number, buffer: (job: Job, target: Target) => Uint8Array): Driver {
  return {
    name,
    done: (job) => (isOfFiles(job) ? FILES_DONE : { read: COPIED, write: writeDone(extraFlags, job) }),
    how: (job) => (isOfFiles(job) ? FILE_WORDS : { read: `readSync${readFlags(words)}`, write: writeWords(words, job) }),
    obstacle: noCall,
    open(job, target) {
      if (isOfFiles(job)) return files(job, target);
      const { bs } = job;
      const fd = fs.openSync(target.path, openFlags(job) + extraFlags);
      const block = buffer(job, target);
      const sync = job.fsync > 0 ? fs.fsyncSync : fs.fdatasyncSync;
      return {
        awaited: false,
        source: () => block,
        found: () => block,
        read: (pos) => fs.readSync(fd, block, 0, bs, pos),
        write: syncingEvery(
          job,
          (pos) => fs.writeSync(fd, block, 0, bs, pos),
          () => {
            sync(fd);
          },
        ),
        close: () => {
          fs.closeSync(fd);
        },
      };
    },
  };
}

export const buffered = synchronous('fs sync', '', 0, ({ bs }) => blockBuffer(bs));

export const direct: Driver = {
  ...synchronous('fs O_DIRECT', 'O_DIRECT | ', O_DIRECT, ({ bs }, { path }) => blockBuffer(bs, directIoNeeds(path).memory)),
  obstacle(job, target) {
    if (isOfFiles(job)) return 'O_DIRECT is of reads and writes';
    return noCall(job, target) ?? directObstacle(target.path, job.bs);
  },
};

function awaited(name: string, flagWords: string, extraFlags: number, memory: (target: Target) => number): Driver {
  return {
    name,
    isDeep: true,
    done: (job) => (isOfFiles(job) ? FILES_DONE : { read: COPIED, write: writeDone(extraFlags, job) }),
    how: (job) =>
      isOfFiles(job) ? FILE_WORDS : { read: `await read${readFlags(flagWords)}${inFlight(job)}`, write: `await ${writeWords(flagWords, job)}${inFlight(job)}` },
    obstacle: noCall,
    async open(job, target) {
      if (isOfFiles(job)) return awaitedFiles(job, target);
      const { bs, iodepth } = job;
      const every = syncEvery(job);
      const handle = await fs.promises.open(target.path, openFlags(job) + extraFlags);
      const buffer = slotBuffers(iodepth, bs, memory(target));
      let since = 0;
      return {
        awaited: true,
        source: buffer,
        found: (_, slot) => buffer(slot),
        read: (pos, slot) => handle.read(buffer(slot), 0, bs, pos),
        write:
          every < 2
            ? (pos, slot) => handle.write(buffer(slot), 0, bs, pos)
            : async (pos, slot) => {
                await handle.write(buffer(slot), 0, bs, pos);
                since += 1;
                if (since < every) return;
                since = 0;
                await (job.fsync > 0 ? handle.sync() : handle.datasync());
              },
        close: () => handle.close(),
      };
    },
  };
}

export const fileHandle = awaited('FileHandle', '', 0, () => PAGE_SIZE);

export const directHandle: Driver = {
  ...awaited('FileHandle O_DIRECT', 'O_DIRECT | ', O_DIRECT, ({ path }) => directIoNeeds(path).memory),
  obstacle(job, target) {
    if (job.iodepth === 1) return 'for --iodepth above 1: one at a time is what fs O_DIRECT does, and a promise';
    return noCall(job, target) ?? directObstacle(target.path, job.bs);
  },
};
