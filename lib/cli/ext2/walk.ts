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

/** Something in a directory. */
export interface Child<T> {
  readonly name: Uint8Array;
  /** What it is; asked for once, when the walk comes to it. */
  readonly item: () => T;
}

/** What a walk asks about the things in a tree. */
export interface Tree<T> {
  /** What tells one directory from another; undefined for what is none. */
  directoryId(item: T): string | undefined;
  /** What is in a directory, in the order in which the walk shall come to it. */
  children(item: T, names: readonly Uint8Array[]): Child<T>[];
}

interface Level<T> {
  readonly step: Step<T>;
  readonly left: Child<T>[];
}

/** Walks from `top` on. Its depth is limited by memory alone. */
export function* walk<T>(tree: Tree<T>, top: T): Generator<Step<T>> {
  const met = new Set<string>();
  const levels: Level<T>[] = [];
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
      yield enter(next.item(), [...level.step.names, next.name], level.left.length === 0);
    }
  }
}
