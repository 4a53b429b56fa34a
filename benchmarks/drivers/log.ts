// Drivers of the log: appending, and going through what is there.

import { openLog, type Log } from '../../lib/log/index.js';
import { openSync } from '../../src/index.js';
import { filledBuffer, type Driver, type Job } from '../driver.js';

const CACHE_LINE = { NODE_DAX_FORCE_GRANULARITY: 'cache_line' };
const DONE = 'the record and then the tail have left the CPU caches';
/** Records of one `appendMany`. */
const MANY = 100;
// A checkpoint follows the next one.
const RECORDS_TO_WALK = 1023;
// What tells where the records begin and end.
const FIRST_PAGES = 8192;
/** Records that are gone through at once. */
export const RECORDS = 10_000;

// A log that is emptied whenever it has no room for `bytes` more. That is a part of the work.
function emptied({ path }: Job, bytes: number): { log: Log; makeRoom: () => void } {
  const log = openLog(path, { create: true, force: true });
  const most = Math.floor(log.info().capacity / (bytes + 32)) - 2;
  let appended = 0;
  const makeRoom = (): void => {
    if (++appended < most) return;
    log.truncateBefore(log.tail);
    appended = 0;
  };
  return { log, makeRoom };
}

export const logAppend: Driver = {
  done: DONE,
  environment: CACHE_LINE,
  leavesGarbage: true,
  // Each page of the file is touched before the first figure, at 80 bytes an append.
  warmUp: 250_000,
  open(job) {
    const { log, makeRoom } = emptied(job, job.blockSize);
    const record = filledBuffer(job.blockSize);
    return {
      run: () => {
        makeRoom();
        return log.append(record);
      },
    };
  },
};

export const logAppendMany: Driver = {
  done: DONE,
  environment: CACHE_LINE,
  leavesGarbage: true,
  open(job) {
    const { log, makeRoom } = emptied(job, MANY * (job.blockSize + 16));
    const records = Array.from({ length: MANY }, () => filledBuffer(job.blockSize));
    return {
      run: () => {
        makeRoom();
        return log.appendMany(records);
      },
    };
  },
};

// Going through a log of `RECORDS` records by `walk`, which returns the bytes that it has met.
function walked(done: string, walk: (log: Log) => number): Driver {
  return {
    done,
    environment: CACHE_LINE,
    leavesGarbage: true,
    open({ path, blockSize }) {
      const log = openLog(path, { create: true, force: true });
      for (let i = 0; i < RECORDS; i++) log.append(filledBuffer(blockSize));
      return { run: () => walk(log) };
    },
  };
}

export const logEntries = walked('position, sequence and length of every record were given', (log) => {
  let bytes = 0;
  for (const { length } of log.entries()) bytes += length;
  return bytes;
});

export const logRecords = walked('every record was given as a view, its checksum compared', (log) => {
  let bytes = 0;
  for (const record of log.records()) bytes += record.bytes.length;
  return bytes;
});

// As after a power cut: there are as many records past the last checkpoint as there can be.
export const logOpen: Driver = {
  done: 'the log can be appended to, and is closed again',
  environment: CACHE_LINE,
  leavesGarbage: true,
  open({ path, blockSize }) {
    const device = openSync(path);
    const log = openLog(device, { create: true, force: true });
    for (let i = 0; i < RECORDS_TO_WALK; i++) log.append(filledBuffer(blockSize));
    const cut = Buffer.alloc(FIRST_PAGES);
    device.readSync(cut, 0);
    log.close();
    return {
      run: () => {
        device.writeSync(cut, 0);
        openLog(path).close();
      },
    };
  },
};
