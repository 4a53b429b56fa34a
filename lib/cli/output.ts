// Owns what commands print: lines that may have names of any bytes in them, and content without end.

import { once } from 'node:events';

/** A line, in pieces. */
export type Line = readonly (string | Uint8Array)[];

/** Writes bytes to the standard output, no faster than they are read there. */
export async function write(bytes: Uint8Array): Promise<void> {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
}

const BATCH = 64 * 1024;

/** Prints lines, as they come. */
export async function print(lines: Iterable<Line>): Promise<void> {
  let pieces: Buffer[] = [];
  let length = 0;
  for (const line of lines) {
    for (const piece of [...line, '\n']) {
      pieces.push(Buffer.from(piece));
      length += piece.length;
    }
    if (length < BATCH) continue;
    await write(Buffer.concat(pieces));
    pieces = [];
    length = 0;
  }
  await write(Buffer.concat(pieces));
}
