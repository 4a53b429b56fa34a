// Owns reading an open file from its current position to the end, and writing from that position on.

import { constants } from 'node:buffer';
import { AbortError } from 'node-dax';
import { encodeAll, toBytes, toEncoding, toOptions, type Encoding } from '../arguments/arguments.js';
import { attemptAsync, checkAborted } from '../errors/failure.js';
import type { OpenFile } from './open-files.js';

export interface FileOptions {
  readonly encoding?: BufferEncoding | 'buffer' | null;
  readonly flag?: string | number | null;
  readonly mode?: number | string | null;
  readonly flush?: boolean | null;
  readonly signal?: AbortSignal;
}

// A buffer for the rest of a file, and one byte more, so that its end is noticed.
function bufferFor(opened: OpenFile): Buffer {
  const left = Math.max(0, opened.size - opened.position);
  if (left >= constants.MAX_LENGTH) {
    const error = new RangeError(`File size (${left}) is greater than ${constants.MAX_LENGTH} bytes`);
    throw Object.assign(error, { code: 'ERR_FS_FILE_TOO_LARGE' });
  }
  return Buffer.allocUnsafe(left + 1);
}

export function readWholeSync(opened: OpenFile): Buffer {
  let buffer = bufferFor(opened);
  let filled = 0;
  for (;;) {
    const read = opened.readSync(buffer.subarray(filled), null);
    if (read === 0) return buffer.subarray(0, filled);
    filled += read;
    if (filled === buffer.length) buffer = Buffer.concat([buffer, bufferFor(opened)]);
  }
}

export async function readWhole(opened: OpenFile, options?: unknown): Promise<string | Buffer> {
  const { signal } = toOptions<FileOptions>(options);
  const content = await attemptAsync({ syscall: 'read' }, async () => {
    let buffer = bufferFor(opened);
    let filled = 0;
    for (;;) {
      checkAborted(signal);
      const read = await opened.read(buffer.subarray(filled), null, signal);
      if (read === 0) return buffer.subarray(0, filled);
      filled += read;
      if (filled === buffer.length) buffer = Buffer.concat([buffer, bufferFor(opened)]);
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
