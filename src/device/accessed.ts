// Owns the answer of an open device's direct access: its length is known at once, its window is made when it is looked at.

import { addon, type NativeHandle } from '../binding.js';
import type { DirectAccess } from './block-device.js';
import { PAGE_SIZE, roundUp } from '../units.js';

interface Source {
  readonly handle: NativeHandle;
  view(pos: number, length: number): Uint8Array;
}

export class Accessed implements DirectAccess {
  readonly bytes: number;
  readonly #device: Source;
  readonly #pos: number;
  readonly #length: number;

  constructor(device: Source, pos: number, wanted: number, reach: number) {
    // The last page is mapped whole, even if a file ends within it.
    this.bytes = roundUp(reach, PAGE_SIZE);
    this.#device = device;
    this.#pos = pos;
    this.#length = Math.min(wanted, reach);
  }

  get window(): Uint8Array {
    return this.#device.view(this.#pos, this.#length);
  }

  // The place of a file on its device is the filesystem's to tell.
  get pfn(): number | undefined {
    const address = addon().physicalAddress(this.#device.handle, this.#pos);
    return address === undefined ? undefined : address / PAGE_SIZE;
  }
}
