// Owns the definition of a driver: one way to do a job, and its promise when an operation has ended.

import type { DeviceKind, Granularity } from 'node-dax';
import type { Job } from '../jobs/job.js';

/** The file or device that a job works on. */
export interface Target {
  readonly path: string;
  readonly kind: DeviceKind;
  readonly granularity: Granularity;
  readonly isDax: boolean;
  /** Whether it was made for this run, so its content belongs to no one. */
  readonly isMade: boolean;
  /** The folder for the files of jobs on files; undefined for a device, which has no files beside it. */
  readonly folder: string | undefined;
  /** Whether to open it although it is in use. */
  readonly force: boolean;
}

/**
 * What is true when an operation has ended. Drivers are compared with each other only if their texts are equal.
 */
export interface Done {
  readonly read: string;
  readonly write: string;
}

export const KNOWN = 'the size, owner and times of the file are known';
export const SEEN = 'every program sees that the file is made, or gone; a power cut may undo it';
export const COPIED = 'the bytes are in the program’s own memory';
export const IN_PLACE = 'the program has loaded from every cache line of the bytes, where they are';

/** The promise of O_DIRECT alone: the device may have a cache of its own that loses its content with the power. */
export const ACCEPTED = 'the device has taken the bytes; a power cut may lose them';

/** The promise of a write if writes are made durable after every `every` of them; 0: never. */
export function durable(every: number): string {
  if (every === 1) return 'the bytes survive a power cut, as far as the medium does';
  if (every > 1) return `every other reader sees the bytes; they survive a power cut after each ${every}th write`;
  return 'every other reader sees the bytes; a power cut may lose them';
}

/** The words that are added to the `how` of an awaited driver. */
export function inFlight({ iodepth }: Job): string {
  return iodepth > 1 ? `, ${iodepth} under way` : '';
}

/** The operations of a driver on an open target. Only `read` and `write` are timed. */
export interface Operations {
  /** Whether they return a promise that resolves at their end. */
  readonly awaited: boolean;
  /** The buffer from which the slot writes. Each operation that is under way has its own slot, counted from 0. */
  source(slot: number): Uint8Array;
  /** The block at `pos` that the slot has read last. */
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
  /** Present if its operations are awaited: `iodepth` of them are under way at once. */
  readonly isDeep?: true;
  /** Present if it takes part only where it is named. */
  readonly isOptional?: true;
  done(job: Job): Done;
  /** The calls by which it does the job, in words. */
  how(job: Job, target: Target): { read: string; write: string };
  /** Why it cannot do the job on the target; undefined if it can. */
  obstacle?(job: Job, target: Target): string | undefined;
  open(job: Job, target: Target): Operations | Promise<Operations>;
}
