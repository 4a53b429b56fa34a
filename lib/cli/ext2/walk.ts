// Owns walks through trees, in an image or outside: every directory before what is in it, and again after that.

/** A thing in a tree, as the walk comes to it. */
export interface Step<T> {
  readonly item: T;
  /** Names from the top of the walk on; empty at the top. */
  readonly names: readonly Uint8Array[];
  /** `again`: a directory that the walk has been in, which no sound tree has; it does not go in twice. */
  readonly phase: 'at' | 'after' | 'again';
  /** Nothing comes after it in its directory. */
  readonly isLast: boolean;
}

/** What a walk asks about the things in a tree, of which `N` is a name in a directory: there may be a million in one. */
export interface Tree<T, N> {
  /** What tells one directory from another; undefined for what is none. */
  directoryId(item: T): string | undefined;
  /** The names in a directory, in the order in which the walk shall come to them. */
  children(directory: T, names: readonly Uint8Array[]): N[];
  /** The bytes of a name. */
  bytesOf(name: N): Uint8Array;
  /** What has a name in a directory; asked for once, when the walk comes to it. */
  item(directory: T, name: N, names: readonly Uint8Array[]): T;
}

interface Level<T, N> {
  readonly step: Step<T>;
  readonly left: N[];
}

/** Walks from `top` on. Its depth is limited by memory alone. */
export function* walk<T, N>(tree: Tree<T, N>, top: T): Generator<Step<T>> {
  const met = new Set<string>();
  const levels: Level<T, N>[] = [];
  const enter = (item: T, names: readonly Uint8Array[], isLast: boolean): Step<T> => {
    const id = tree.directoryId(item);
    if (id === undefined) return { item, names, phase: 'at', isLast };
    if (met.has(id)) return { item, names, phase: 'again', isLast };
    met.add(id);
    levels.push({ step: { item, names, phase: 'after', isLast }, left: tree.children(item, names).reverse() });
    return { item, names, phase: 'at', isLast };
  };
  yield enter(top, [], true);
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const next = level.left.pop();
    if (next === undefined) {
      levels.pop();
      yield level.step;
    } else {
      const { item, names } = level.step;
      yield enter(tree.item(item, next, names), [...names, tree.bytesOf(next)], level.left.length === 0);
    }
  }
}
