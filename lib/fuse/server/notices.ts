// Owns the notices to the kernel about changes that this process makes outside the mount.

import type { FuseChange, FuseFilesystem, FuseInode } from '../filesystem/contract.js';
import { entryNotice, inodeNotice } from '../protocol/notice.js';
import type { Nodes } from './nodes.js';

/** Hands messages to the kernel that are no answers. */
export interface Notify {
  /** One that the kernel takes at once. */
  readonly now: (message: Uint8Array) => void;
  /** One for which the kernel may wait until the server has answered a request. `key` tells equal messages. */
  readonly soon: (key: string, message: () => Uint8Array) => void;
}

/** Listens to the filesystem, and tells the kernel of changes that are not its own. */
export class Notices<I extends FuseInode> {
  readonly #nodes: Nodes<I>;
  readonly #notify: Notify;
  readonly #stop: (() => void) | undefined;
  /** Whether the kernel asked for the changes that happen now. */
  isServing = false;

  constructor(fs: FuseFilesystem<I>, nodes: Nodes<I>, notify: Notify) {
    this.#nodes = nodes;
    this.#notify = notify;
    this.#stop = fs.watchChanges?.((change) => { this.#see(change); });
  }

  end(): void {
    this.#stop?.();
  }

  #see(change: FuseChange): void {
    if (this.isServing) return;
    if ('ino' in change) this.#changed(change.ino);
    else this.#named(change.dir, change.name);
  }

  #changed(ino: number): void {
    const node = this.#nodes.known(ino);
    if (node === undefined) return;
    node.hasOldPages = true;
    if (node.isStale) return;
    node.isStale = true;
    this.#notify.now(inodeNotice(node.id));
  }

  #named(dir: number, name: Uint8Array): void {
    const node = this.#nodes.known(dir);
    if (node === undefined) return;
    const { id } = node;
    this.#notify.soon(`${id}/${Buffer.from(name).toString('latin1')}`, () => entryNotice(id, name));
  }
}
