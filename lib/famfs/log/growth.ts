// Owns what is added to a famfs while it is mounted: looking for it in the log, following it, and telling listeners of it.

import { setTimeout as wait } from 'node:timers/promises';
import { argumentError, checkOptions } from 'node-dax';
import { fail } from '../format/error.js';
import { readSuperblock, SUPERBLOCK_SIZE, type FamfsSuperblock } from '../format/superblock.js';
import type { Medium } from '../medium.js';
import type { FamfsInode } from '../tree/node.js';
import type { Replay } from './replay.js';

/** A name was added to directory `dir`, or the attributes of inode `ino` changed: a directory has one more in it. */
export type FamfsChange = { readonly dir: number; readonly name: Uint8Array } | { readonly ino: number };

export interface FollowOptions {
  /** Milliseconds between two looks at the log; 0 looks in every turn of the event loop, and keeps a processor busy. Default 1. */
  readonly everyMs?: number;
}

export class Growth {
  readonly #medium: Medium;
  readonly #sb: FamfsSuperblock;
  readonly #replay: Replay;
  readonly #listeners = new Set<(change: FamfsChange) => void>();

  constructor(medium: Medium, sb: FamfsSuperblock, replay: Replay) {
    this.#medium = medium;
    this.#sb = sb;
    this.#replay = replay;
  }

  /** Replays what was added to the log, and tells listeners of it. Throws `ESTALE` for another famfs, and `EIO`. */
  catchUp(syscall: string): FamfsInode[] {
    const bytes = Buffer.alloc(SUPERBLOCK_SIZE);
    if (this.#medium.read(bytes, 0) < SUPERBLOCK_SIZE) fail('EIO', syscall, 'the superblock cannot be read');
    let uuid: string | undefined;
    try {
      ({ uuid } = readSuperblock(bytes, this.#medium.device.size, syscall));
    } catch {
      // There is no valid superblock: a new famfs is half made, or there is none any more.
    }
    if (uuid !== this.#sb.uuid) fail('ESTALE', syscall, 'it is not the famfs that was mounted: somebody has made a new one here; mount it again');
    const made: FamfsInode[] = [];
    this.#replay.run(syscall, made);
    for (const inode of made) this.tell(inode);
    return made;
  }

  /** Calls `listener` at each change, until the returned function is called. */
  watch(listener: (change: FamfsChange) => void): () => void {
    // A function of its own, so one listener may listen twice.
    const own = (change: FamfsChange): void => { listener(change); };
    this.#listeners.add(own);
    return () => { this.#listeners.delete(own); };
  }

  /** Tells listeners of a new file or directory. */
  tell(made: FamfsInode): FamfsInode {
    const { parent, name } = made;
    for (const listener of this.#listeners) {
      listener({ dir: parent.ino, name: Buffer.from(name, 'latin1') });
      if (made.isDirectory) listener({ ino: parent.ino });
    }
    return made;
  }
}

/** Yields what `refresh` returns, time and again. Ends with what it throws, or with an `AbortError`. */
export async function* follow(refresh: () => FamfsInode[], signal: AbortSignal | undefined, options: FollowOptions): AsyncGenerator<FamfsInode, never> {
  checkOptions(options, { everyMs: true });
  const { everyMs = 1 } = options;
  if (!(everyMs >= 0)) throw argumentError('ERR_OUT_OF_RANGE', `everyMs must be 0 or more, it is ${everyMs}`);
  const turn = everyMs === 0 ? nextTurn : () => wait(everyMs, undefined, { ...(signal !== undefined && { signal }) });
  for (;;) {
    signal?.throwIfAborted();
    yield* refresh();
    await turn();
  }
}

async function nextTurn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
