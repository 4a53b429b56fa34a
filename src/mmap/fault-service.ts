// Owns this isolate's connection to the fault service: it starts the service, and gives each message to the file that it concerns.

import { threadId } from 'node:worker_threads';
import { addon, type FaultMode } from '../binding.js';
import { DaxError } from '../errors.js';

/** Who answers the questions about a file. */
export interface FaultServer {
  /** Answers a touch of `page` through `region`. It answers whatever happens, because a thread waits for it. */
  serve(region: number, page: number, write: boolean, isMkwrite: boolean): Promise<void>;
}

/** A region of this isolate: a mapping of its own file, or of another isolate's. */
export interface Viewer {
  /** A touch of `page` was refused, and zeros are in its place. `errno` says why. */
  lost(page: number, errno: number): void;
}

let mode: FaultMode | undefined;
const servers = new Map<number, WeakRef<FaultServer>>();
const viewers = new Map<number, WeakRef<Viewer>>();
const goneViewers = new FinalizationRegistry<number>((region) => viewers.delete(region));
const goneServers = new FinalizationRegistry<number>((file) => servers.delete(file));

// The service calls this on the owner's thread. It must not throw.
function onMessage(isLoss: boolean, file: number, region: number, page: number, detail: boolean | number, isMkwrite: boolean): void {
  if (isLoss) viewers.get(region)?.deref()?.lost(page, detail as number);
  else void servers.get(file)?.deref()?.serve(region, page, detail as boolean, isMkwrite);
}

/** Which touches of mapped memory this process can serve. Starts the fault service. */
export function faultMode(): FaultMode {
  if (mode === undefined) {
    mode = addon().faultConnect(onMessage, threadId);
    // At its exit Node waits for this thread's workers, and they may be waiting for an answer from this thread.
    process.once('exit', () => { addon().faultLeave(); });
  }
  return mode;
}

/** Gives `server` the questions about a file, until `server` is collected. */
export function serveFile(file: number, server: FaultServer): void {
  servers.set(file, new WeakRef(server));
  goneServers.register(server, file);
}

/** Tells `viewer` of the pages lost in a region, until `viewer` is collected. */
export function watchRegion(region: number, viewer: Viewer): void {
  viewers.set(region, new WeakRef(viewer));
  goneViewers.register(viewer, region);
}

/** The error for an errno of the service. */
export function mapFailure(errno: number): DaxError {
  return new DaxError({
    errno,
    syscall: 'mmap',
    ...(errno === -12 && {
      reason: 'TOO_MANY_MAPPINGS' as const,
      hint: 'the file lies in more pieces than a process may map: raise vm.max_map_count (sysctl), or map a part of it',
    }),
    ...(errno === -116 && { hint: 'the isolate that owned the file has ended, or has closed the file' }),
  });
}
