// Shows zero-copy I/O on one device, step by step, and compares reads with those of node:fs.

import { checkOptions, openSync, type DaxDevice, type DeviceKind, type Granularity } from 'node-dax';
import { showExt2, type Ext2Shown } from './ext2.js';
import { raceReads, type Timing } from './read-race.js';

const MESSAGE = 'Hello, persistent memory!';

/** Bytes from the start of the device that the demonstration overwrites. */
export const OVERWRITTEN = 4096;

export interface DemoReport {
  path: string;
  kind: DeviceKind;
  size: number;
  isDax: boolean;
  granularity: Granularity;
  mapSync: boolean;
  /** The kernel vouches that it is there after the power was off; undefined where it does not know. */
  persistent: boolean | undefined;
  /** Whether the message was found again after the device was closed and reopened. */
  verified: boolean;
  /** What became of a filesystem on it, where one was made. */
  ext2?: Ext2Shown;
  timings: Timing[];
}

/** What is demonstrated, and where. */
export interface DemoOptions {
  /** Bytes of the file to create where the path does not exist. */
  size?: number;
  /** Even if the device is in use. */
  force: boolean;
  /** Make an ext2 filesystem at the start of the device as well. */
  ext2?: boolean;
}

/** Told of each step as it is done. */
export interface DemoListener {
  onStep(text: string): void;
  onProgress(done: number): void;
}

function show({ kind, granularity, isDax, mapSync, facts }: DaxDevice): string {
  const access = isDax ? 'loads and stores reach the medium directly' : 'loads and stores go through the page cache';
  const is = { true: 'is durable', false: 'reaches the memory', undefined: 'reaches the medium' }[`${facts.persistent}`];
  const how = { byte: 'as it is (eADR)', cache_line: 'once its cache line is flushed', page: 'after msync' }[granularity];
  return `${kind}: ${access}; a store ${is} ${how}${mapSync ? ' (MAP_SYNC)' : ''}`;
}

function write(path: string, { size, force }: DemoOptions, listener: DemoListener): void {
  using device = openSync(path, { size, force });
  listener.onStep(`open    ${path}, ${device.size} bytes`);
  listener.onStep(`        ${show(device)}`);
  const { persistent, persistenceEvidence } = device.facts;
  if (persistent !== true) listener.onStep(`        ${persistent === false ? 'not durable' : 'not known to be durable'}: ${persistenceEvidence.meaning}`);
  device.zeroSync(0, Math.min(OVERWRITTEN, device.size));
  const view = device.view(0, MESSAGE.length);
  view.set(Buffer.from(MESSAGE));
  listener.onStep(`view    stored '${MESSAGE}' in the device's own memory, no copy`);
  device.persist(0, MESSAGE.length);
  const { flushInstruction } = device.facts;
  const how = { byte: 'a fence', cache_line: `${flushInstruction} and a fence`, page: 'msync' }[device.granularity];
  listener.onStep(`persist ${persistent === true ? 'made it durable' : 'flushed it'} with ${how}`);
}

/**
 * Overwrites the first `OVERWRITTEN` bytes of the device at `path` or, with `ext2`, the first `FORMATTED`. If nothing exists at
 * `path`, creates a file of `size` bytes there.
 */
export function demonstrate(path: string, options: DemoOptions, listener: DemoListener): DemoReport {
  checkOptions(options, { size: true, force: true, ext2: true });
  write(path, options, listener);
  using device = openSync(path, { force: options.force });
  const found = Buffer.alloc(MESSAGE.length);
  device.readSync(found, 0);
  const verified = found.toString() === MESSAGE;
  listener.onStep(`reopen  ${verified ? 'found it again' : `found '${found.toString('latin1')}' instead`}`);
  const ext2 = options.ext2 === true ? showExt2(device, (text) => { listener.onStep(text); }) : undefined;
  const timings = raceReads(device, (done) => {
    listener.onProgress(done);
  });
  const { kind, size, isDax, granularity, mapSync, persistent } = device;
  return { path, kind, size, isDax, granularity, mapSync, persistent, verified, ...(ext2 && { ext2 }), timings };
}
