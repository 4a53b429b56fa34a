// Owns walks through trees, in an image or outside: each directory comes before its content, and again after it.

/** A step of a walk: an item of a tree. */
export interface Step<T> {
  readonly item: T;
  /** The names from the top of the walk to the item; empty at the top. */
  readonly names: readonly Uint8Array[];
  /**
   * `at`: the item, for a directory before its content; `after`: a directory after its content; `again`: a directory that the walk
   * has visited already, which no sound tree has. The walk does not enter it twice.
   */
  readonly phase: 'at' | 'after' | 'again';
  /** Whether it is the last item of its directory. */
  readonly isLast: boolean;
}

/** The calls that a walk makes on a tree of items `T`. `N` is a name in a directory, which may have a million of them. */
export interface Tree<T, N> {
  /** A string that identifies a directory; undefined for an item that is not one. */
  directoryId(item: T): string | undefined;
  /** The names in a directory, in the order of the walk. */
  children(directory: T, names: readonly Uint8Array[]): N[];
  /** The bytes of a name. */
  bytesOf(name: N): Uint8Array;
  /** The item of a name in a directory; called once, when the walk comes to it. */
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
