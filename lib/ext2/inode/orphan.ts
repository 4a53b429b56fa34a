// Owns the orphan list: inodes without a name that are still open. It begins at s_last_orphan; each inode's i_dtime names the next.

import type { IncoreInode } from './inode.js';
import { INODE } from '../format/disk.js';
import type { Super } from '../space/super.js';

export class OrphanList {
  readonly #sb: Super;
  // Latest first, as on the medium.
  readonly #inodes: IncoreInode[] = [];

  constructor(sb: Super) {
    this.#sb = sb;
  }

  /** Adds an inode whose link count of 0 is durable. */
  add(inode: IncoreInode): void {
    inode.dtime = this.#inodes[0]?.ino ?? 0;
    inode.store();
    this.#sb.store({ s_last_orphan: inode.ino });
    this.#inodes.unshift(inode);
  }

  /** Removes an inode from the list, durably. Its i_dtime may then be used otherwise. */
  remove(inode: IncoreInode): void {
    const index = this.#inodes.indexOf(inode);
    if (index < 0) return;
    const next = this.#inodes[index + 1]?.ino ?? 0;
    const before = this.#inodes[index - 1];
    if (before === undefined) {
      this.#sb.store({ s_last_orphan: next });
    } else {
      before.dtime = next;
      before.store();
    }
    this.#inodes.splice(index, 1);
    inode.dtime = 0;
  }

  /**
   * Calls `recover` with each inode on the medium's list and empties the list. Returns how many inodes there were. The list ends at
   * the first number that cannot be an orphan, or for which `mayBe` returns false, as in Linux.
   */
  recover(mayBe: (ino: number) => boolean, recover: (ino: number) => void): number {
    const { geometry, medium, groups } = this.#sb;
    const seen = new Set<number>();
    for (let ino = this.#sb.fields.s_last_orphan; ino !== 0; ) {
      if (ino < geometry.firstIno || ino > geometry.inodesCount || seen.has(ino) || !mayBe(ino)) {
        this.#sb.store({ s_last_orphan: 0 });
        break;
      }
      seen.add(ino);
      const field = medium.load(groups.inodePos(ino) + INODE.i_dtime[1], 4);
      const next = new DataView(field.buffer).getUint32(0, true);
      // Taken off the list before the inode is freed: a reused inode must not be found on it.
      this.#sb.store({ s_last_orphan: next });
      recover(ino);
      ino = next;
    }
    return seen.size;
  }
}
