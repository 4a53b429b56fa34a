// Owns the use of an image that may be corrupt: everything is looked at and changed, and ends in success or a DaxError.

import { DaxError } from 'node-dax';
import { mount, type Ext2, type Ext2Inode } from 'node-dax/ext2';
import type { ImageDevice } from './ext2-image.js';

/** How often each errno was met; `done` is success. */
export type Outcomes = Map<string, number>;

// Enough to go everywhere in a small image, and to end in one that has a loop.
const MOST_INODES = 300;
const MOST_ENTRIES = 2000;
const MOST_CHANGED = 12;

class Exercise {
  readonly outcomes: Outcomes = new Map();
  readonly #fs: Ext2;
  readonly #seen = new Map<number, Ext2Inode>();

  constructor(fs: Ext2) {
    this.#fs = fs;
  }

  attempt<T>(work: () => T): T | undefined {
    let outcome = 'done';
    try {
      return work();
    } catch (error) {
      if (!(error instanceof DaxError)) throw error;
      outcome = error.code;
      return undefined;
    } finally {
      this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    }
  }

  look(): void {
    const root = this.attempt(() => this.#fs.root);
    if (root === undefined) return;
    const waiting = [root];
    for (let dir = waiting.pop(); dir !== undefined; dir = waiting.pop()) {
      const current = dir;
      this.attempt(() => {
        let entries = 0;
        for (const { ino, bytes } of this.#fs.readdir(current)) {
          if (++entries > MOST_ENTRIES || this.#seen.size > MOST_INODES) break;
          const found = this.attempt(() => this.#fs.lookup(current, bytes));
          this.attempt(() => this.#fs.lookup(current, `${entries}`));
          if (found === undefined || this.#seen.has(ino)) continue;
          this.#seen.set(ino, found);
          this.#lookAt(found);
          if (found.isDirectory) waiting.push(found);
        }
      });
    }
    this.attempt(() => this.#fs.statfs());
  }

  #lookAt(inode: Ext2Inode): void {
    this.attempt(() => this.#fs.readlink(inode));
    for (const name of this.attempt(() => this.#fs.listxattr(inode)) ?? []) {
      this.attempt(() => this.#fs.getxattr(inode, name));
    }
    this.attempt(() => {
      using file = this.#fs.open(inode, { readOnly: true });
      const target = new Uint8Array(20_000);
      for (const pos of [0, 12 * 1024, Math.floor(file.size / 2), Math.max(0, file.size - target.length)]) {
        file.readSync(target, pos);
      }
    });
  }

  change(): void {
    const fs = this.#fs;
    let number = 0;
    // The last ones met lie deepest.
    for (const inode of [...this.#seen.values()].reverse()) {
      number++;
      if (number > MOST_CHANGED) break;
      const bytes = Buffer.alloc(3000, number);
      this.attempt(() => { fs.setxattr(inode, 'user.a', bytes.subarray(0, 60)); });
      this.attempt(() => { fs.chmod(inode, 0o700); });
      // Another's change may have taken it away.
      const isDirectory = this.attempt(() => inode.isDirectory);
      if (isDirectory === true) this.#changeIn(inode, bytes);
      else if (isDirectory === false) this.#changeFile(inode, bytes, number);
    }
    this.attempt(() => { fs.sync(); });
  }

  #changeIn(dir: Ext2Inode, bytes: Buffer): void {
    const fs = this.#fs;
    const made = this.attempt(() => fs.create(dir, 'made'));
    if (made !== undefined) {
      this.attempt(() => {
        using file = fs.open(made);
        for (const pos of [0, 20_000, 300_000]) file.writeSync(bytes, pos);
      });
    }
    this.attempt(() => fs.mkdir(dir, 'folder'));
    this.attempt(() => { fs.rename(dir, 'made', dir, 'renamed'); });
    this.attempt(() => { fs.rename(dir, 'folder', fs.root, `folder${dir.ino}`); });
    this.attempt(() => fs.symlink(dir, 'link', 'x'.repeat(100)));
    const names = this.attempt(() => [...take(fs.readdir(dir), MOST_ENTRIES)].map(({ bytes: name }) => name)) ?? [];
    for (const name of names.slice(0, 6)) {
      this.attempt(() => { fs.unlink(dir, name); });
      this.attempt(() => { fs.rmdir(dir, name); });
    }
  }

  #changeFile(inode: Ext2Inode, bytes: Buffer, number: number): void {
    this.attempt(() => {
      using file = this.#fs.open(inode);
      this.attempt(() => file.writeSync(bytes, number * 5000));
      this.attempt(() => file.appendSync(bytes));
      this.attempt(() => { file.punchHoleSync(1024 * number, 9000); });
      this.attempt(() => { file.truncateSync(Math.floor(file.size / 2)); });
      if (number % 3 === 0) this.attempt(() => { file.truncateSync(0); });
    });
  }
}

function* take<T>(items: Iterable<T>, most: number): Generator<T> {
  let count = 0;
  for (const item of items) {
    if (count++ >= most) return;
    yield item;
  }
}

/** Mounts, looks at everything, changes much, reclaims, unmounts. Throws what is no `DaxError`, and for stray stores. */
export function exercise(device: ImageDevice, readOnly = false): Outcomes {
  const mounting: Outcomes = new Map();
  let fs: Ext2;
  try {
    fs = mount(device, { readOnly, owner: { uid: 0, gid: 0 }, onWarning: () => undefined });
  } catch (error) {
    if (!(error instanceof DaxError)) throw error;
    return mounting.set(`mount ${error.code}`, 1);
  }
  const run = new Exercise(fs);
  run.look();
  run.change();
  run.attempt(() => fs.reclaim());
  run.attempt(() => { fs.unmount(); });
  if (device.strayStore !== undefined) throw new Error(`something was stored at ${device.strayStore}, outside the filesystem`);
  if (readOnly && device.stores > 0) throw new Error('something was stored although it was mounted to be read');
  return run.outcomes;
}
