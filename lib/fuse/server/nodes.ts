// Owns the inodes that the kernel knows, by the numbers that it was given for them, and how often it was given each.

import { DaxError, loopTurn } from 'node-dax';
import type { FuseFilesystem, FuseInode } from '../filesystem/contract.js';
import { ROOT_ID } from '../protocol/numbers.js';

/** An inode that the kernel knows. */
export interface Node<I> {
  readonly id: number;
  readonly inode: I;
  /** How often the kernel was told of it. */
  lookups: number;
  /** Whether the kernel was told that its attributes changed, and has not asked for them since. */
  isStale: boolean;
  /** Whether the kernel's pages of it may be old. */
  hasOldPages: boolean;
}

/** Each inode is held once, from the first time that the kernel is told of it until the kernel has forgotten it as often. */
export class Nodes<I extends FuseInode> {
  readonly #fs: FuseFilesystem<I>;
  readonly #byId = new Map<number, Node<I>>();
  readonly #byIno = new Map<number, Node<I>>();
  #lastId = ROOT_ID;

  constructor(fs: FuseFilesystem<I>) {
    this.#fs = fs;
    this.#add(ROOT_ID, fs.root);
  }

  /** How many inodes the kernel knows. */
  get size(): number {
    return this.#byId.size;
  }

  /** The inode of a number. Throws `ESTALE` for a number that was never given, or was forgotten. */
  inode(id: number): I {
    const node = this.#byId.get(id);
    if (node === undefined) throw new DaxError({ errno: 'ESTALE', syscall: 'fuse', hint: `node ${id} is not known` });
    return node.inode;
  }

  /** What the kernel knows of an inode number; undefined if nothing. */
  known(ino: number): Node<I> | undefined {
    return this.#byIno.get(ino);
  }

  /** The number of an inode that the kernel is about to be told of. */
  tell(inode: I): number {
    const node = this.#byIno.get(inode.ino) ?? this.#add(++this.#lastId, inode);
    node.lookups++;
    return node.id;
  }

  /** The kernel forgets `count` times that it was told of an inode. */
  forget(id: number, count: number): void {
    const node = this.#byId.get(id);
    if (node === undefined || id === ROOT_ID) return;
    node.lookups -= count;
    if (node.lookups <= 0) this.#remove(node);
  }

  /** The kernel knows no inode any more: releases all of them, between turns of the event loop. */
  async end(broken: (error: unknown) => void): Promise<void> {
    for (const node of [...this.#byId.values()]) {
      const turn = loopTurn();
      if (turn !== undefined) await turn;
      try {
        this.#remove(node);
      } catch (error) {
        broken(error);
      }
    }
  }

  #add(id: number, inode: I): Node<I> {
    const node: Node<I> = { id, inode, lookups: 0, isStale: false, hasOldPages: false };
    this.#fs.hold?.(inode);
    this.#byId.set(id, node);
    this.#byIno.set(inode.ino, node);
    return node;
  }

  #remove({ id, inode }: Node<I>): void {
    this.#byId.delete(id);
    this.#byIno.delete(inode.ino);
    this.#fs.release?.(inode);
  }
}
