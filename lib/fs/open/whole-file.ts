// Owns reading an open file from its current position to the end, and writing from that position on.

import { constants } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { AbortError } from 'node-dax';
import { encodeAll, toBytes, toEncoding, toOptions, type Encoding } from '../arguments/arguments.js';
import { attemptAsync, checkAborted } from '../errors/failure.js';
import { NODE_MAJOR } from '../release.js';
import type { OpenFile } from './open-files.js';

export interface FileOptions {
  readonly encoding?: BufferEncoding | 'buffer' | null;
  readonly flag?: string | number | null;
  readonly mode?: number | string | null;
  readonly flush?: boolean | null;
  readonly signal?: AbortSignal;
  /** Since Node 24: where `readFile` puts what it reads, or a function that makes it for a size in bytes. */
  readonly buffer?: unknown;
}

// A buffer for the rest of a file, and one byte more, so its end is noticed.
function bufferFor(opened: OpenFile): Buffer {
  const left = Math.max(0, opened.size - opened.position);
  if (left >= constants.MAX_LENGTH) {
    const error = new RangeError(`File size (${left}) is greater than ${constants.MAX_LENGTH} bytes`);
    throw Object.assign(error, { code: 'ERR_FS_FILE_TOO_LARGE' });
  }
  return Buffer.allocUnsafe(left + 1);
}

// The buffer that the options of `readFile` give, which must have room for the file.
function givenBuffer({ size }: OpenFile, options: unknown): Buffer | undefined {
  const { buffer } = toOptions<FileOptions>(options);
  if (buffer === undefined || NODE_MAJOR < 24) return undefined;
  const isMade = typeof buffer === 'function';
  const view = isMade ? (buffer as (size: number) => unknown)(size) : buffer;
  // Node itself says what is wrong with it, of an empty file.
  if (!ArrayBuffer.isView(view)) readFileSync('/dev/null', { buffer: () => view } as object);
  const bytes = toBytes(view);
  if (bytes.byteLength >= size) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const name = `options.buffer${isMade ? '()' : ''}.byteLength`;
  const error = new TypeError(`The property '${name}' is smaller than the file size of ${size} bytes. Received ${bytes.byteLength}`);
  throw Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' });
}

export function readWholeSync(opened: OpenFile, options?: unknown): Buffer {
  const given = givenBuffer(opened, options);
  let buffer = given ?? bufferFor(opened);
  let filled = 0;
  for (;;) {
    const read = filled === given?.length ? 0 : opened.readSync(buffer.subarray(filled), null);
    if (read === 0) return buffer.subarray(0, filled);
    filled += read;
    if (filled === buffer.length && given === undefined) buffer = Buffer.concat([buffer, bufferFor(opened)]);
  }
}

export async function readWhole(opened: OpenFile, options?: unknown): Promise<string | Buffer> {
  const { signal } = toOptions<FileOptions>(options);
  const content = await attemptAsync({ syscall: 'read' }, async () => {
    const given = givenBuffer(opened, options);
    let buffer = given ?? bufferFor(opened);
    let filled = 0;
    for (;;) {
      checkAborted(signal);
      const read = filled === given?.length ? 0 : await opened.read(buffer.subarray(filled), null, signal);
      if (read === 0) return buffer.subarray(0, filled);
      filled += read;
      if (filled === buffer.length && given === undefined) buffer = Buffer.concat([buffer, bufferFor(opened)]);
    }
  });
  return encodeAll(content, toEncoding(options));
}

export function writeWholeSync(opened: OpenFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.byteLength; ) done += opened.writeSync(bytes.subarray(done), null);
}

/** Writes without truncating. `data` is bytes, text, or an iterable of either. */
export async function writeWhole(opened: OpenFile, data: unknown, options?: unknown): Promise<void> {
  const encoding = toEncoding(options);
  const { signal, flush } = toOptions<FileOptions>(options);
  let written = 0;
  try {
    for await (const chunk of isIterable(data) ? data : [data]) {
      const bytes = toChunk(chunk, encoding);
      await attemptAsync({ syscall: 'write' }, async () => {
        for (let done = 0; done < bytes.byteLength; ) {
          checkAborted(signal);
          const moved = await opened.write(bytes.subarray(done), null, signal);
          done += moved;
          written += moved;
        }
      });
    }
  } catch (error) {
    if (error instanceof AbortError) error.bytesMoved += written;
    throw error;
  }
  if (flush === true) opened.fsync();
}

function toChunk(chunk: unknown, encoding: Encoding): Uint8Array {
  // The encoding applies to strings only. Buffer rejects anything but bytes and strings.
  return ArrayBuffer.isView(chunk) ? toBytes(chunk) : Buffer.from(chunk as string, (encoding ?? 'utf8') as BufferEncoding);
}

// Whether data is written chunk by chunk.
function isIterable(data: unknown): data is Iterable<unknown> | AsyncIterable<unknown> {
  if (typeof data !== 'object' || data === null || ArrayBuffer.isView(data)) return false;
  return Symbol.iterator in data || Symbol.asyncIterator in data;
}
