// Owns what must be found after a power cut: the acknowledged names and bytes, and of an operation under way all or nothing.

import { exchanging, renamed, type Found, type Tree, type TreeOperation } from './tree-model.js';

// Which names are there, of what kind, and which of them are of one file.
function shapeOf(tree: Tree): string {
  const numbers = new Map<number, number>();
  const entries = [...tree].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = entries.map(([path, { kind, ino, content }]) => {
    if (!numbers.has(ino)) numbers.set(ino, numbers.size);
    const target = kind === 'symlink' ? ` to ${Buffer.from(content).toString()}` : '';
    return `${path} is ${kind} ${numbers.get(ino) ?? 0}${target}`;
  });
  return lines.join('\n');
}

const difference = (from: string, to: string) =>
  [...to.split('\n').filter((line) => !from.split('\n').includes(line)).map((line) => `+ ${line}`),
    ...from.split('\n').filter((line) => !to.split('\n').includes(line)).map((line) => `- ${line}`)].join('; ');

/** How a run of operations went: what was promised when. */
export class TreeHistory {
  // The tree before the first operation, after it, after the second, and so on.
  readonly #trees: readonly Tree[];
  readonly #operations: readonly TreeOperation[];
  readonly #isSynchronous: boolean;

  /** With `isSynchronous`, an operation that has returned is acknowledged; otherwise fsync and sync acknowledge. */
  constructor(trees: readonly Tree[], operations: readonly TreeOperation[], isSynchronous: boolean) {
    this.#trees = trees;
    this.#operations = operations;
    this.#isSynchronous = isSynchronous;
  }

  /** Throws unless `found` is what a power cut may leave after `completed` operations, with the next under way or not. */
  check(found: Tree, completed: number, isUnderway: boolean): void {
    const last = completed + (isUnderway ? 1 : 0);
    const first = this.#isSynchronous ? completed : this.#acknowledged(completed, () => false);
    const possible = this.#trees.slice(first, last + 1);
    const candidates = [...possible];
    for (let index = first; index < last; index++) {
      const operation = this.#operations[index];
      const before = this.#trees[index];
      if (operation === undefined || before === undefined) continue;
      if (operation.kind === 'rename') candidates.push(renamed(before, operation.from, operation.to, true));
      const spare = [...found.keys()].find((path) => /(?:^|\/)\.exchange-[0-9]+-[0-9]+$/.test(path));
      if (operation.kind === 'exchange' && spare !== undefined) candidates.push(...exchanging(before, operation.from, operation.to, spare));
    }
    const shape = shapeOf(found);
    const same = candidates.filter((candidate) => shapeOf(candidate) === shape);
    if (same.length === 0) {
      const expected = this.#trees[completed] ?? new Map<string, Found>();
      throw new Error(`the names are wrong: ${difference(shapeOf(expected), shape)}`);
    }
    // Two files that are exchanged have the names of before, and other contents under them.
    const failures = same.map((candidate) => this.#failureOf(found, candidate, completed, first, last));
    if (!failures.includes(undefined)) throw failures.at(-1) as Error;
  }

  // Why contents and attributes are not those of the files that `names` has.
  #failureOf(found: Tree, names: Tree, completed: number, first: number, last: number): Error | undefined {
    try {
      for (const [path, file] of found) {
        if (file.kind !== 'file') continue;
        const ino = names.get(path)?.ino;
        const from = this.#isSynchronous ? first : this.#acknowledged(completed, (name, at) => this.#trees[at]?.get(name)?.ino === ino);
        this.#checkContent(path, file.content, ino, from, last);
        // They are durable on return, however it is mounted.
        this.#checkAttributes(path, file, ino, completed, last);
      }
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  // All of one version: of an operation under way, what was before it or what it makes.
  #checkAttributes(path: string, { attributes }: Found, ino: number | undefined, first: number, last: number): void {
    const versions = this.#trees
      .slice(first, last + 1)
      .flatMap((tree) => [...tree.values()].find((found) => found.ino === ino) ?? [])
      .map((found) => found.attributes);
    if (versions.length === 0 || versions.includes(attributes)) return;
    throw new Error(`${path} has the attributes ${attributes ?? 'none'}, not ${versions.map((version) => version ?? 'none').join(' or ')}`);
  }

  // How many operations are acknowledged, for all files or for those that `isOf` picks.
  #acknowledged(completed: number, isOf: (path: string, at: number) => boolean): number {
    for (let index = completed - 1; index >= 0; index--) {
      const operation = this.#operations[index];
      if (operation?.kind === 'sync') return index + 1;
      if (operation?.kind === 'fsync' && isOf(operation.path, index)) return index + 1;
    }
    return 0;
  }

  // Each byte is of one of the file's versions since; a byte that a version lacks reads as zero.
  #checkContent(path: string, content: Uint8Array, ino: number | undefined, first: number, last: number): void {
    const versions = this.#trees
      .slice(first, last + 1)
      .map((tree) => [...tree.values()].find((found) => found.ino === ino)?.content)
      .filter((version) => version !== undefined);
    if (versions.length === 0) throw new Error(`${path} was removed, and is there`);
    const sizes = new Set(versions.map(({ byteLength }) => byteLength));
    if (!sizes.has(content.byteLength)) {
      throw new Error(`${path} has ${content.byteLength} bytes, not ${[...sizes].join(' or ')}`);
    }
    // Nearly always.
    if (versions.some((version) => Buffer.compare(version, content) === 0)) return;
    const isResized = sizes.size > 1;
    for (let pos = 0; pos < content.byteLength; pos++) {
      const byte = content[pos] as number;
      if (versions.some((version) => version[pos] === byte)) continue;
      const isGap = isResized && byte === 0 && versions.some(({ byteLength }) => byteLength <= pos);
      if (isGap) continue;
      throw new Error(`${path} has ${byte} at byte ${pos}, not ${versions.map((version) => version[pos] ?? 'none').join(' or ')}`);
    }
  }
}
