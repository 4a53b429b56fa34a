// Owns the names of the tree: which path each entry has made, and what lies in each directory. Paths are those of entries: without a
// slash in front, one character per byte; that of the root is empty.

/** A directory, as it is found by its path. */
export interface Directory {
  /** The paths of what lies in it, in the order in which they were added. */
  readonly children: string[];
  /** How many of them are directories. */
  subdirectories: number;
}

export class Names {
  readonly #indexes = new Map<string, number>();
  readonly #directories = new Map<string, Directory>([['', { children: [], subdirectories: 0 }]]);

  /** The index of the entry that has made what is at a path; undefined if there is nothing. The root has none. */
  find(path: string): number | undefined {
    return this.#indexes.get(path);
  }

  /** The directory at a path; undefined if there is none. */
  directory(path: string): Directory | undefined {
    return this.#directories.get(path);
  }

  /** Adds what entry `index` makes at a path in directory `parent`, where nothing must be. */
  add(index: number, path: string, parent: Directory, isDirectory: boolean): void {
    this.#indexes.set(path, index);
    parent.children.push(path);
    if (!isDirectory) return;
    parent.subdirectories++;
    this.#directories.set(path, { children: [], subdirectories: 0 });
  }
}

/** The path of the directory that a path is in. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** The last name of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
