// Owns the answer to `init`, the first request: the protocol version, the sizes, and the features of both sides.

import { DaxError } from 'node-dax';
import { hasFlag, INIT } from './numbers.js';
import type { Reply } from './reply.js';
import type { Request } from './request.js';

const MAJOR = 7;
const LEAST_MINOR = 31;
const MINOR = 40;

/** The most bytes in one read or write. */
export const MAX_TRANSFER = 2 ** 20;
const PAGE = 4096;

/** What is asked of the kernel beyond what every filesystem needs. */
export interface Wishes {
  readonly hasAcls: boolean;
  /** The filesystem applies the umask. */
  readonly appliesUmask: boolean;
  /** The kernel keeps written bytes until it must write them back. */
  readonly writebackCache: boolean;
}

function wanted({ hasAcls, appliesUmask, writebackCache }: Wishes): number[] {
  const { posixAcl, dontMask, writebackCache: writeback, ...rest } = INIT;
  return [...Object.values(rest), ...(hasAcls ? [posixAcl] : []), ...(appliesUmask ? [dontMask] : []), ...(writebackCache ? [writeback] : [])];
}

/** Answers `init`. Throws `EPROTO` for a kernel that is older than Linux 5.4. */
export function putInit(request: Request, reply: Reply, wishes: Wishes): void {
  const [major, minor, readahead, offered] = [0, 4, 8, 12].map((at) => request.u32(at)) as [number, number, number, number];
  if (major !== MAJOR || minor < LEAST_MINOR) {
    throw new DaxError({ errno: 'EPROTO', syscall: 'mount', hint: `the kernel speaks FUSE ${major}.${minor}: 7.31 (Linux 5.4) is the least` });
  }
  reply.u32(MAJOR);
  reply.u32(Math.min(minor, MINOR));
  reply.u32(Math.min(readahead, MAX_TRANSFER));
  reply.u32(wanted(wishes).filter((flag) => hasFlag(offered, flag)).reduce((sum, flag) => sum + flag, 0));
  // max_background and congestion_threshold: requests that may wait at once, and how many of them count as congestion.
  reply.u16(64);
  reply.u16(48);
  reply.u32(MAX_TRANSFER);
  // The granularity of times: a nanosecond.
  reply.u32(1);
  reply.u16(MAX_TRANSFER / PAGE);
  reply.u16(0);
  reply.zeros(32);
}
