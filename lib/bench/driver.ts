// Owns what a driver is: one way to do a job, and what it promises when it says that an operation is done.

import type { DeviceKind, Granularity } from 'node-dax';
import type { Job } from './job.js';

/** What is worked on. */
export interface Target {
  readonly path: string;
  readonly kind: DeviceKind;
  readonly granularity: Granularity;
  readonly isDax: boolean;
  /** It was made for this run: nothing in it is anybody's. */
  readonly isMade: boolean;
  /** Where jobs on files have theirs; undefined where a device has no files beside it. */
  readonly folder: string | undefined;
  /** Open it although it is in use. */
  readonly force: boolean;
}

/**
 * What is true when an operation has ended. Drivers are compared with each other where they say the same words, and
 * nowhere else.
 */
export interface Done {
  readonly read: string;
  readonly write: string;
}

export const KNOWN = 'the size, owner and times of the file are known';
export const SEEN = 'every program sees that the file is made, or gone; a power cut may undo it';
export const COPIED = 'the bytes are in the program’s own memory';
export const IN_PLACE = 'the program has loaded from every cache line of the bytes, where they are';

/** Of O_DIRECT alone: the device may have a cache of its own that loses power. */
export const ACCEPTED = 'the device has taken the bytes; a power cut may lose them';

/** What a write promises that is made durable every `every` writes; 0: never. */
export function durable(every: number): string {
  if (every === 1) return 'the bytes survive a power cut, as far as the medium does';
  if (every > 1) return `every other reader sees the bytes; they survive a power cut after each ${every}th write`;
  return 'every other reader sees the bytes; a power cut may lose them';
}

/** What is added to how an awaited driver gets there. */
export function inFlight({ iodepth }: Job): string {
  return iodepth > 1 ? `, ${iodepth} under way` : '';
}

/** The operations of a driver on an open target. Nothing but them is timed. */
export interface Operations {
  /** They return a promise that ends them. */
  readonly awaited: boolean;
  /** What the slot writes is taken from here. Operations that are under way at the same time are in slots of their own, from 0 on. */
  source(slot: number): Uint8Array;
  /** Where the block that the slot has read last is. */
  found(pos: number, slot: number): Uint8Array;
  /** Reads one block. */
  read(pos: number, slot: number): unknown;
  /** Writes one block as durably as the job wants. */
  write(pos: number, slot: number): unknown;
  close(): unknown;
}

/** A driver that runs in a process of this program. */
export interface Driver {
  readonly name: string;
  /** Its operations are awaited: `iodepth` of them are under way. */
  readonly isDeep?: true;
  done(job: Job): Done;
  /** How it gets there. */
  how(job: Job, target: Target): { read: string; write: string };
  /** Why it cannot do the job on the target; undefined where it can. */
  obstacle?(job: Job, target: Target): string | undefined;
  open(job: Job, target: Target): Operations | Promise<Operations>;
}
