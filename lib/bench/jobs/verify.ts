// Owns the stamps in the blocks of a job with `verify`, by which each is recognized: its position, and a digest of the rest.

import { createHash } from 'node:crypto';
import type { VerifyMethod } from './job.js';

const DIGEST_AT = 8;
const CONTENT_AT = 40;

function digest(block: Uint8Array, method: VerifyMethod): Buffer {
  return createHash(method).update(block.subarray(0, DIGEST_AT)).update(block.subarray(CONTENT_AT)).digest();
}

/** Stamps `block` as the block at `pos`. */
export function stamp(block: Uint8Array, pos: number, method: VerifyMethod): void {
  new DataView(block.buffer, block.byteOffset, block.byteLength).setFloat64(0, pos);
  block.set(digest(block, method), DIGEST_AT);
}

/** Throws unless `block` has the stamp of `pos`. */
export function check(block: Uint8Array, pos: number, method: VerifyMethod): void {
  const found = digest(block, method);
  const at = new DataView(block.buffer, block.byteOffset, block.byteLength).getFloat64(0);
  if (at === pos && found.equals(block.subarray(DIGEST_AT, DIGEST_AT + found.length))) return;
  throw new Error(
    `verify: the block at ${pos} is not what a job with --verify ${method} wrote there; ` +
      'a job that only reads needs one that writes before it, with the same --verify and --bs',
  );
}
