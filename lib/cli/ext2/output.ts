// Owns what commands on images print: lines that may have names of any bytes in them, and content without end.

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

const NS_PER_MS = 1_000_000n;
const NS_PER_SECOND = 1_000_000_000n;

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** `2026-01-31 09:00`, where this process is. */
export function minuteInWords(ms: number): string {
  const date = new Date(Math.floor(ms));
  const day = `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** `2026-01-31 09:00:00.123456789 +0000`, where this process is. */
export function timeInWords(ns: bigint): string {
  const below = ((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  const ms = Number((ns - below) / NS_PER_MS);
  const date = new Date(ms);
  const zone = -date.getTimezoneOffset();
  const sign = zone < 0 ? '-' : '+';
  const hours = `${two(Math.floor(Math.abs(zone) / 60))}${two(Math.abs(zone) % 60)}`;
  return `${minuteInWords(ms)}:${two(date.getSeconds())}.${String(below).padStart(9, '0')} ${sign}${hours}`;
}
