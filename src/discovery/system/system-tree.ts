// Owns the reading of /sys and /proc: a file that is missing, unreadable or malformed gives undefined, never an error.

import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join, relative } from 'node:path';

/** /sys and /proc of this machine, or of a directory which stands for `/` in a test. */
export class SystemTree {
  readonly #root: string;

  constructor(root = '/') {
    this.#root = root;
  }

  /** The text of an attribute without the white space at its ends. Some that exist cannot be read (ENXIO, EACCES). */
  text(path: string): string | undefined {
    const file = join(this.#root, path);
    try {
      // Most attributes that are asked for are absent, and an error takes ten times as long as asking. Under the permission models of
      // Node and Deno, asking is an error too.
      return existsSync(file) ? readFileSync(file, 'latin1').trim() : undefined;
    } catch {
      return undefined;
    }
  }

  /** A decimal or `0x` attribute; undefined above 2^53-1, where a number is no longer exact. */
  number(path: string): number | undefined {
    return parseInteger(this.text(path));
  }

  /** A NUMA node; undefined if the kernel gives -1, which means that there is none. */
  node(path: string): number | undefined {
    const node = this.number(path);
    return node === undefined || node < 0 ? undefined : node;
  }

  /** The names in a directory, `dax2.0` before `dax10.0`; none when it is absent. */
  names(path: string): string[] {
    try {
      return readdirSync(join(this.#root, path)).sort(byNumbers);
    } catch {
      return [];
    }
  }

  /** The path without symbolic links, which shows the parents of a device in sysfs. */
  resolve(path: string): string | undefined {
    try {
      return `/${relative(realpathSync(this.#root), realpathSync(join(this.#root, path)))}`;
    } catch {
      return undefined;
    }
  }
}

// The order of Intl would do, and load its data, which takes longer than everything else that opening a device does.
function byNumbers(a: string, b: string): number {
  const others = partsOf(b);
  for (const [index, part] of partsOf(a).entries()) {
    const other = others[index] ?? '';
    if (part !== other) return Number(part) - Number(other) || (part < other ? -1 : 1);
  }
  return a.length - b.length;
}

function partsOf(name: string): string[] {
  return name.match(/\d+|\D+/g) ?? [];
}

/** A decimal or `0x` integer that a double holds exactly. */
export function parseInteger(text: string | undefined): number | undefined {
  if (text === undefined || !/^(-?\d+|0x[\da-f]+)$/i.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}
