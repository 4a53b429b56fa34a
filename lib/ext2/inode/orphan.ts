// Owns the list of orphans: inodes without a name that are open. It begins at s_last_orphan; each has the next in i_dtime.

import type { IncoreInode } from './inode.js';
import { INODE } from '../format/disk.js';
import type { Super } from '../space/super.js';

export class OrphanList {
  readonly #sb: Super;
  // The last to come first, as on the medium.
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

  /** Takes an inode out, durably. Its i_dtime is free again. */
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
   * Calls `recover` with each inode that is on the medium's list, which is then empty. Returns how many there were. The list
   * ends at what cannot be one, as Linux ends it: `mayBe` tells.
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
      // Out of the list before it is free: an inode that is another's by then must not be found there.
      this.#sb.store({ s_last_orphan: next });
      recover(ino);
      ino = next;
    }
    return seen.size;
  }
}
