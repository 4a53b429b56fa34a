// Owns the output of commands: lines with names of any bytes, and content of any length.

import { once } from 'node:events';

/**
 * Ends the process when its standard output fails: silently if the reader has stopped early (`node-dax list | head -1`), otherwise
 * with a message and exit status 1, as for a full disk. Work that does not end by itself (guests, filesystems) ends with the
 * process.
 */
export function endWithOutput(): void {
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') process.exit();
    process.stderr.write(`node-dax: the standard output: ${message}\n`);
    process.exit(1);
  });
}

/** The pieces of a line. */
export type Line = readonly (string | Uint8Array)[];

/** Writes bytes to the standard output, no faster than its reader reads. */
export async function write(bytes: Uint8Array): Promise<void> {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
}

const BATCH = 64 * 1024;

const END = 0x0a;
// Bytes of a character in UTF-8, per unit of its string.
const MOST = 3;

/** The bytes that a line takes, or more. */
function roomFor(line: Line): number {
  let bytes = 1;
  for (const piece of line) bytes += typeof piece === 'string' ? MOST * piece.length : piece.length;
  return bytes;
}

/** Prints lines in batches. */
export async function print(lines: Iterable<Line>): Promise<void> {
  let batch = Buffer.allocUnsafe(BATCH);
  let length = 0;
  for (const line of lines) {
    const wanted = roomFor(line);
    if (length + wanted > batch.length) {
      await write(batch.subarray(0, length));
      // A new buffer, because the stream may still use the old one.
      batch = Buffer.allocUnsafe(Math.max(BATCH, wanted));
      length = 0;
    }
    for (const piece of line) {
      if (typeof piece === 'string') {
        length += batch.write(piece, length);
      } else {
        batch.set(piece, length);
        length += piece.length;
      }
    }
    batch[length++] = END;
  }
  await write(batch.subarray(0, length));
}
