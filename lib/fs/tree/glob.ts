// Owns glob: the paths that patterns match. The matcher of the running Node decides for each name.

import type { Dirent } from 'node:fs';
import * as nodePath from 'node:path';
import { toOptions, toPath } from '../arguments/arguments.js';
import { entriesOf, type Entry } from './entries.js';
import { direntOf, isDirectory } from './stats.js';
import type { Steps } from './steps.js';
import type { Tree } from './tree.js';

interface GlobOptions {
  readonly cwd?: string | URL;
  readonly exclude?: ((found: string | Dirent) => boolean) | readonly string[];
  readonly withFileTypes?: boolean;
}

// Since Node 22.5. It does not expand braces that contain slashes.
const { matchesGlob } = nodePath as { matchesGlob?: (path: string, pattern: string) => boolean };

const MAGIC = /[*?[\]!+@()]/;

/** Expands a pattern with braces into patterns without. */
function expandBraces(pattern: string): string[] {
  const open = pattern.indexOf('{');
  if (open < 0) return [pattern];
  let depth = 0;
  const cuts = [open];
  for (let index = open; index < pattern.length; index++) {
    const letter = pattern[index];
    if (letter === '{') depth++;
    else if (letter === ',' && depth === 1) cuts.push(index);
    else if (letter === '}' && --depth === 0) {
      cuts.push(index);
      break;
    }
  }
  // Braces without a comma or without an end are literal.
  if (depth > 0 || cuts.length < 3) return [pattern];
  const [before, after] = [pattern.slice(0, open), pattern.slice((cuts.at(-1) as number) + 1)];
  const parts = cuts.slice(1).map((cut, index) => pattern.slice((cuts[index] as number) + 1, cut));
  return parts.flatMap((part) => expandBraces(`${before}${part}${after}`));
}

/**
 * All paths that `patterns` match, each once; each step looks at one name. The matches of a relative pattern are relative to the
 * working directory.
 */
export function* globbed(tree: Tree, patterns: string | readonly string[], given: unknown): Steps<(string | Dirent)[]> {
  const options = toOptions<GlobOptions>(given);
  const cwd = nodePath.resolve(tree.cwd, options.cwd === undefined ? '.' : (toPath(options.cwd) as string));
  const walk = new Walk(tree, cwd, options);
  const all = typeof patterns === 'string' ? [patterns] : patterns;
  for (const pattern of all.flatMap(expandBraces)) yield* walk.match(pattern);
  return Array.from(walk.found, ([path, { parent, name, mode }]) => (options.withFileTypes === true ? direntOf(name, parent, mode) : path));
}

interface Found {
  readonly parent: string;
  readonly name: string;
  readonly mode: number;
}

class Walk {
  readonly found = new Map<string, Found>();
  readonly #tree: Tree;
  readonly #cwd: string;
  readonly #options: GlobOptions;

  constructor(tree: Tree, cwd: string, options: GlobOptions) {
    this.#tree = tree;
    this.#cwd = cwd;
    this.#options = options;
  }

  *match(pattern: string): Steps<void> {
    const isAbsolute = pattern.startsWith('/');
    const parts = pattern.split('/').filter((part, index, { length }) => part !== '' || (index === length - 1 && index > 0));
    yield* this.#go(isAbsolute ? '/' : '', parts.filter((part) => part !== '.'));
  }

  // `at` is the path that the walk has reached, relative to the working directory or absolute.
  *#go(at: string, [part, ...rest]: readonly string[]): Steps<void> {
    yield;
    if (part === undefined) this.#add(at);
    else if (part === '') {
      if (this.#entry(at)?.isDirectory === true) this.#add(at);
    } else if (part === '**') yield* this.#anyDepth(at, rest);
    else if (!MAGIC.test(part)) {
      const next = nodePath.join(at, part);
      if (this.#entry(next) !== undefined) yield* this.#go(next, rest);
    } else {
      for (const { text, mode } of this.#entries(at)) {
        if (matchesGlob?.(text, part) !== true || (rest.length > 0 && !isDirectory(mode))) continue;
        const next = nodePath.join(at, text);
        if (!this.#isExcluded(next, mode)) yield* this.#go(next, rest);
      }
    }
  }

  // Skips names that begin with a dot, and does not descend into symbolic links.
  *#anyDepth(at: string, rest: readonly string[]): Steps<void> {
    yield* this.#go(at, rest);
    for (const { text, mode } of this.#entries(at)) {
      if (text.startsWith('.')) continue;
      const next = nodePath.join(at, text);
      if (this.#isExcluded(next, mode)) continue;
      if (isDirectory(mode)) yield* this.#anyDepth(next, rest);
      else if (rest.length === 0) this.#add(next);
      yield;
    }
  }

  #add(at: string): void {
    const path = at === '' ? '.' : at;
    const entry = this.#entry(path);
    if (entry === undefined || this.#isExcluded(path, entry.mode)) return;
    const whole = nodePath.resolve(this.#cwd, path);
    const parent = path.startsWith('/') ? nodePath.dirname(path) : nodePath.join(this.#cwd, nodePath.dirname(path));
    this.found.set(path, { parent, name: nodePath.basename(whole), mode: entry.mode });
  }

  #entry(at: string): { isDirectory: boolean; mode: number } | undefined {
    try {
      const { mode } = this.#tree.resolve(nodePath.resolve(this.#cwd, at), { follow: false });
      return { isDirectory: isDirectory(mode), mode };
    } catch {
      return undefined;
    }
  }

  #entries(at: string): Entry[] {
    const path = nodePath.resolve(this.#cwd, at);
    try {
      return entriesOf(this.#tree, path, { syscall: 'scandir', path });
    } catch {
      return [];
    }
  }

  #isExcluded(path: string, mode: number): boolean {
    const { exclude, withFileTypes } = this.#options;
    if (typeof exclude === 'function') {
      const name = nodePath.basename(path);
      return exclude(withFileTypes === true ? direntOf(name, nodePath.join(this.#cwd, nodePath.dirname(path)), mode) : name);
    }
    return exclude?.some((pattern) => matchesGlob?.(path, pattern) === true) ?? false;
  }
}
