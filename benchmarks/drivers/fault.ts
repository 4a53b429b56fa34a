// Drivers that touch a mapping of a file which another thread owns.

import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { DaxMapping, openSync, type MappingHandle } from '../../src/index.js';
import type { Driver, Job, Operation } from '../driver.js';
import type { Layout } from './fault-owner.js';

const PAGE = 4096;

async function handleOf(path: string, backwards: boolean): Promise<MappingHandle> {
  const layout: Layout = { path, backwards };
  const worker = new Worker(join(__dirname, 'fault-owner.js'), { workerData: layout });
  const [handle] = (await once(worker, 'message')) as [MappingHandle];
  return handle;
}

// Each operation touches the next page for the first time; after the last page, it begins again with a new mapping.
async function touchEach({ path, span }: Job, backwards: boolean): Promise<Operation> {
  const handle = { ...(await handleOf(path, backwards)), length: span };
  let mapping = DaxMapping.attach(handle);
  let bytes = new Uint8Array(mapping.buffer);
  let next = 0;
  let sum = 0;
  return {
    run: () => {
      if (next === span) {
        mapping.unmap();
        mapping = DaxMapping.attach(handle);
        bytes = new Uint8Array(mapping.buffer);
        next = 0;
      }
      sum += bytes[next] as number;
      next += PAGE;
      return sum;
    },
  };
}

export const faultEachPage: Driver = {
  done: 'the page is there: the service has installed the page of the device and woken the thread',
  open: (job) => touchEach(job, true),
};

export const faultAmongMany: Driver = {
  done: 'as before, with 10 000 other mappings in the process',
  async open(job) {
    const handle = { ...(await handleOf(job.path, true)), length: PAGE };
    const others = Array.from({ length: 10_000 }, () => DaxMapping.attach(handle));
    const operation = await touchEach(job, true);
    return { run: (pos) => (others.length > 0 ? operation.run(pos) : undefined) };
  },
};

export const firstTouch: Driver = {
  done: 'the page is there; pages that lie together are installed together',
  open: (job) => touchEach(job, false),
};

// One load each from all the pages, again and again.
function loads(bytes: Uint8Array): Operation {
  let sum = 0;
  return { run: (pos) => (sum += bytes[pos] as number) };
}

export const loadFromMapping: Driver = {
  done: 'a byte of the block has been loaded',
  async open({ path, span }) {
    const handle = { ...(await handleOf(path, false)), length: span };
    return loads(new Uint8Array(DaxMapping.attach(handle).buffer));
  },
};

export const loadFromView: Driver = {
  done: 'a byte of the block has been loaded',
  open: ({ path, span }) => loads(openSync(path).view(0, span)),
};
