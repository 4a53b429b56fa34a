// Owns the model of a tree of files: what operations make of it, and what of that may be found after a power cut.

/** What one does to a tree. Paths have no slash at their ends. */
export type TreeOperation =
  | { readonly kind: 'create' | 'mkdir' | 'unlink' | 'rmdir' | 'fsync'; readonly path: string }
  | { readonly kind: 'write'; readonly path: string; readonly pos: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly path: string; readonly size: number }
  | { readonly kind: 'punch'; readonly path: string; readonly pos: number; readonly length: number }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | { readonly kind: 'link' | 'rename' | 'exchange'; readonly from: string; readonly to: string }
  /** A file that gets its name when it is there already. */
  | { readonly kind: 'tmpfile'; readonly path: string }
  | { readonly kind: 'setxattr'; readonly path: string; readonly name: string; readonly value: string }
  | { readonly kind: 'removexattr'; readonly path: string; readonly name: string }
  | { readonly kind: 'sync' };

export function describeOperation(operation: TreeOperation): string {
  switch (operation.kind) {
    case 'write':
      return `write ${operation.bytes.byteLength} at ${operation.pos} of ${operation.path}`;
    case 'truncate':
      return `truncate ${operation.path} to ${operation.size}`;
    case 'punch':
      return `punch ${operation.length} at ${operation.pos} of ${operation.path}`;
    case 'setxattr':
      return `setxattr ${operation.name} of ${operation.value.length} bytes of ${operation.path}`;
    case 'removexattr':
      return `removexattr ${operation.name} of ${operation.path}`;
    case 'symlink':
      return `symlink ${operation.path} to ${operation.target.length} bytes`;
    case 'link':
    case 'rename':
    case 'exchange':
      return `${operation.kind} ${operation.from} to ${operation.to}`;
    case 'sync':
      return 'sync';
    default:
      return `${operation.kind} ${operation.path}`;
  }
}

/** What is found under a name. `ino` tells which names are of one file; its value means nothing. */
export interface Found {
  readonly kind: 'file' | 'directory' | 'symlink';
  readonly ino: number;
  /** Of a file its bytes, of a symlink its target; of a directory none. */
  readonly content: Uint8Array;
  /** Extended attributes, as `attributesInWords` has them; left out for none. */
  readonly attributes?: string | undefined;
}

/** Attributes in one string: the same exactly if they are. */
export function attributesInWords(attributes: ReadonlyMap<string, string>): string | undefined {
  return attributes.size === 0 ? undefined : JSON.stringify([...attributes].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function attributesOf({ attributes }: Found): Map<string, string> {
  return new Map(JSON.parse(attributes ?? '[]') as [string, string][]);
}

/** Everything in a tree by path, without its root. */
export type Tree = ReadonlyMap<string, Found>;

const NOTHING = new Uint8Array(0);

export const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')));

function resized(content: Uint8Array, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(content.subarray(0, size));
  return bytes;
}

/** A tree that one operation makes of another. Operations that POSIX refuses are not asked for. */
export class TreeModel {
  #tree: Tree;
  #next: number;

  constructor(tree: Tree = new Map()) {
    this.#tree = tree;
    this.#next = 1 + Math.max(0, ...[...tree.values()].map(({ ino }) => ino));
  }

  get tree(): Tree {
    return this.#tree;
  }

  /** Whether POSIX allows it, as far as random operations go. */
  allows(operation: TreeOperation): boolean {
    const kindOf = (path: string) => (path === '' ? 'directory' : this.#tree.get(path)?.kind);
    const isFree = (path: string) => kindOf(path) === undefined && kindOf(parentOf(path)) === 'directory';
    const isEmpty = (path: string) => ![...this.#tree.keys()].some((other) => parentOf(other) === path);
    switch (operation.kind) {
      case 'sync':
        return true;
      case 'create':
      case 'tmpfile':
      case 'mkdir':
      case 'symlink':
        return isFree(operation.path);
      case 'unlink':
        return kindOf(operation.path) === 'file' || kindOf(operation.path) === 'symlink';
      case 'rmdir':
        return operation.path !== '' && kindOf(operation.path) === 'directory' && isEmpty(operation.path);
      case 'link':
        return kindOf(operation.from) === 'file' && isFree(operation.to);
      case 'rename': {
        const { from, to } = operation;
        const [kind, target] = [kindOf(from), kindOf(to)];
        if (from === '' || to === '' || kind === undefined || to === from || to.startsWith(`${from}/`)) return false;
        if (from.startsWith(`${to}/`) || kindOf(parentOf(to)) !== 'directory') return false;
        // Two names of one file: nothing is renamed.
        if (this.#tree.get(from)?.ino === this.#tree.get(to)?.ino) return false;
        if (target === undefined) return true;
        return kind === 'directory' ? target === 'directory' && isEmpty(to) : target !== 'directory';
      }
      case 'exchange': {
        const { from, to } = operation;
        const [first, second] = [this.#tree.get(from), this.#tree.get(to)];
        if (first === undefined || second === undefined || first.ino === second.ino) return false;
        return !from.startsWith(`${to}/`) && !to.startsWith(`${from}/`);
      }
      case 'removexattr': {
        const found = this.#tree.get(operation.path);
        return found?.kind === 'file' && attributesOf(found).has(operation.name);
      }
      default:
        return kindOf(operation.path) === 'file';
    }
  }

  apply(operation: TreeOperation): void {
    switch (operation.kind) {
      case 'create':
      case 'tmpfile':
        this.#add(operation.path, 'file', NOTHING);
        break;
      case 'mkdir':
        this.#add(operation.path, 'directory', NOTHING);
        break;
      case 'symlink':
        this.#add(operation.path, 'symlink', Buffer.from(operation.target));
        break;
      case 'write':
        this.#change(operation.path, (old) => {
          const bytes = resized(old, Math.max(old.byteLength, operation.pos + operation.bytes.byteLength));
          bytes.set(operation.bytes, operation.pos);
          return bytes;
        });
        break;
      case 'truncate':
        this.#change(operation.path, (old) => resized(old, operation.size));
        break;
      case 'punch':
        this.#change(operation.path, (old) =>
          resized(old, old.byteLength).fill(0, operation.pos, operation.pos + operation.length),
        );
        break;
      case 'setxattr':
        this.#changeAttributes(operation.path, (attributes) => { attributes.set(operation.name, operation.value); });
        break;
      case 'removexattr':
        this.#changeAttributes(operation.path, (attributes) => { attributes.delete(operation.name); });
        break;
      case 'link':
        this.#update((tree) => { tree.set(operation.to, this.#found(operation.from)); });
        break;
      case 'unlink':
      case 'rmdir':
        this.#update((tree) => { tree.delete(operation.path); });
        break;
      case 'rename':
        this.#tree = renamed(this.#tree, operation.from, operation.to, false);
        break;
      case 'exchange':
        this.#tree = exchanged(this.#tree, operation.from, operation.to);
        break;
      case 'fsync':
      case 'sync':
        break;
    }
  }

  #found(path: string): Found {
    const found = this.#tree.get(path);
    if (found === undefined) throw new Error(`the model has no ${path}`);
    return found;
  }

  #add(path: string, kind: Found['kind'], content: Uint8Array): void {
    const ino = this.#next++;
    this.#update((tree) => { tree.set(path, { kind, ino, content }); });
  }

  // Under all of its names.
  #change(path: string, change: (content: Uint8Array) => Uint8Array): void {
    const old = this.#found(path);
    this.#replace({ ...old, content: change(old.content) });
  }

  #changeAttributes(path: string, change: (attributes: Map<string, string>) => void): void {
    const old = this.#found(path);
    const attributes = attributesOf(old);
    change(attributes);
    this.#replace({ ...old, attributes: attributesInWords(attributes) });
  }

  #replace(found: Found): void {
    this.#update((tree) => {
      for (const [name, other] of tree) if (other.ino === found.ino) tree.set(name, found);
    });
  }

  #update(change: (tree: Map<string, Found>) => void): void {
    const tree = new Map(this.#tree);
    change(tree);
    this.#tree = tree;
  }
}

/** `tree` after a rename; with `both`, still under the old name as well. */
export function renamed(tree: Tree, from: string, to: string, both: boolean): Tree {
  const after = new Map(tree);
  for (const [path, found] of tree) {
    if (path !== from && !path.startsWith(`${from}/`)) continue;
    if (!both) after.delete(path);
    after.set(to + path.slice(from.length), found);
  }
  return after;
}

function without(tree: Tree, path: string): Tree {
  return new Map([...tree].filter(([name]) => name !== path && !name.startsWith(`${path}/`)));
}

/** `tree` at each step of an exchange, during which the first file has the name `spare` too. */
export function* exchanging(tree: Tree, from: string, to: string, spare: string): Generator<Tree> {
  const three = renamed(tree, from, spare, true);
  yield three;
  const second = renamed(without(three, from), to, from, true);
  yield second;
  yield renamed(without(second, to), spare, to, true);
}

function exchanged(tree: Tree, from: string, to: string): Tree {
  const spare = '\0';
  return without([...exchanging(tree, from, to, spare)].at(-1) ?? tree, spare);
}
