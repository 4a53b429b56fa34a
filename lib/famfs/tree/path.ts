// Owns paths as the entries of the log have them, read byte by byte, and the hashes by which names are found.

/* eslint-disable no-bitwise -- hashes of 32 bits, no offsets */

const SLASH = 0x2f;
const DOT = 0x2e;
/** The most bytes of a path, with the NUL that ends it. */
const PATH_SIZE = 80;

// Another in every process, so that nobody can make a log whose names all have one hash.
const FACTOR = Math.floor(Math.random() * 2 ** 31) * 2 + 1;
export const ROOT_HASH = Math.floor(Math.random() * 2 ** 32) | 0;

function add(hash: number, byte: number): number {
  const product = Math.imul(hash ^ byte, FACTOR);
  return product ^ (product >>> 15);
}

/** The hash of a name, one character per byte, in a directory whose hash is `parent`. */
export function hashOfName(parent: number, name: string): number {
  let hash = add(parent, SLASH);
  for (let at = 0; at < name.length; at++) hash = add(hash, name.charCodeAt(at));
  return hash;
}

/** A path in memory. One object serves for the paths of a whole log, one after the other. */
export class StoredPath {
  bytes: Uint8Array = new Uint8Array();
  start = 0;
  /** Where the NUL is that ends it. */
  end = 0;
  /** Where its last name begins. */
  name = 0;
  hash = 0;
  /** The hash of the directory that it is in. */
  parentHash = 0;
  /** Whether it keeps the rules of paths. One that does not may keep them all the same, and must be checked name by name. */
  isPlain = false;

  /** Reads the path that begins at `start`. */
  read(bytes: Uint8Array, start: number): void {
    let parentHash = ROOT_HASH;
    let hash = add(ROOT_HASH, SLASH);
    let name = start;
    let isPlain = true;
    let at = start;
    for (; at < start + PATH_SIZE; at++) {
      const byte = bytes[at] as number;
      if (byte === 0) break;
      if (byte === SLASH) {
        if (at === name) isPlain = false;
        parentHash = hash;
        name = at + 1;
      } else if (byte === DOT && at === name) {
        isPlain = false;
      }
      hash = add(hash, byte);
    }
    this.bytes = bytes;
    this.start = start;
    this.end = at;
    this.name = name;
    this.hash = hash;
    this.parentHash = parentHash;
    this.isPlain = isPlain && at > name && at < start + PATH_SIZE;
  }
}
