// Owns names from the command line to the output: bytes that need not be UTF-8.

import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';

const UNKNOWN = '\ufffd';
// eslint-disable-next-line no-control-regex -- what would move the cursor of a terminal, or end a line
const CONTROL = /[\0-\x1f\x7f-\x9f\u2028\u2029]/;

/** A name as text. A name that would be ambiguous, or would disturb a terminal, is quoted as for a shell. */
export function shown(name: Uint8Array | string): string {
  const bytes = Buffer.from(name);
  const text = bytes.toString();
  if (isUtf8(bytes) && !CONTROL.test(text)) return text;
  const escaped = Array.from(bytes, (byte) => {
    if (byte < 0x20 || byte > 0x7e) return `\\x${byte.toString(16).padStart(2, '0')}`;
    return byte === 0x27 || byte === 0x5c ? `\\${String.fromCharCode(byte)}` : String.fromCharCode(byte);
  });
  return `$'${escaped.join('')}'`;
}

/** The place of something in messages: the image or device, and the path in it. */
export function placeOf(image: string, path?: Uint8Array): string {
  return path === undefined ? image : `${image}:${shown(path)}`;
}

/** A name for the output: its exact bytes, but `shown` on a terminal. */
export function printable(name: Uint8Array): Uint8Array {
  return process.stdout.isTTY ? Buffer.from(shown(name)) : name;
}

/** A name for JSON, under `key`. If it is not UTF-8, its bytes are beside it in hexadecimal. */
export function inJson(key: string, name: Uint8Array): Record<string, string> {
  const bytes = Buffer.from(name);
  return { [key]: bytes.toString(), ...(!isUtf8(bytes) && { [`${key}Bytes`]: bytes.toString('hex') }) };
}

// The bytes of the arguments, from the kernel, because Node decodes them as UTF-8.
function rawArguments(): Buffer[] {
  try {
    const line = readFileSync('/proc/self/cmdline', 'latin1');
    return line.split('\0').map((word) => Buffer.from(word, 'latin1'));
  } catch {
    return [];
  }
}

let waiting: Buffer[] | undefined;

/** A commander parser of paths as bytes. Commander must call it for the arguments in their order. */
export function toPath(text: string): Buffer {
  if (!text.includes(UNKNOWN)) return Buffer.from(text);
  waiting ??= rawArguments().filter((word) => word.toString().includes(UNKNOWN));
  const index = waiting.findIndex((word) => word.toString() === text);
  return index < 0 ? Buffer.from(text) : (waiting.splice(0, index + 1).at(-1) as Buffer);
}

/** As `toPath`, for an argument that may be given several times. */
export function toPaths(text: string, earlier: Buffer[] = []): Buffer[] {
  return [...earlier, toPath(text)];
}

/** The last name of a path, without slashes after it. */
export function baseName(path: Uint8Array): Buffer {
  const text = Buffer.from(path).toString('latin1').replace(/\/+$/, '');
  return Buffer.from(text.slice(text.lastIndexOf('/') + 1), 'latin1');
}

export const SLASH = Buffer.from('/');

/** Whether a path ends with a slash, and so asks for a directory. */
export function endsWithSlash(path: Uint8Array): boolean {
  return path.at(-1) === SLASH[0];
}

/** Whether a slash is missing between a directory and a name in it. */
export function needsSlash(directory: Uint8Array): boolean {
  return directory.length > 0 && !endsWithSlash(directory);
}

/** `directory/name`. */
export function joined(directory: Uint8Array, name: Uint8Array): Buffer {
  return Buffer.concat(needsSlash(directory) ? [directory, SLASH, name] : [directory, name]);
}
