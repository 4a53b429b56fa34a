// Owns a device whose calls fail on demand and succeed again afterwards.

import { DaxError, type Bytes, type DirectAccess, type FlushOption } from 'node-dax';
import { RecordingDevice } from './recording-device.js';

/** A device whose stores and direct accesses can be made to fail with `EIO` without effect. Loads succeed. */
export class FailingDevice extends RecordingDevice {
  /** The number of stores and direct accesses so far. */
  calls = 0;
  /** The first call that fails, counted as in `calls`, and the first after it that succeeds. */
  #from = Number.POSITIVE_INFINITY;
  #to = Number.POSITIVE_INFINITY;

  /** Lets `skipped` more calls succeed. Then makes the next `count` calls fail, or all of them. */
  fail(skipped: number, count = Number.POSITIVE_INFINITY): void {
    this.#from = this.calls + skipped;
    this.#to = this.#from + count;
  }

  heal(): void {
    this.#from = this.#to = Number.POSITIVE_INFINITY;
  }

  /** Whether a call has failed since `fail`. */
  get hasFailed(): boolean {
    return this.calls > this.#from;
  }

  override directAccess(sector: Bytes, size: Bytes): DirectAccess {
    this.#call('directAccess');
    return super.directAccess(sector, size);
  }

  protected override store(pos: number, bytes: Uint8Array, options: FlushOption): void {
    this.#call('write');
    super.store(pos, bytes, options);
  }

  #call(syscall: string): void {
    const call = this.calls++;
    if (call >= this.#from && call < this.#to) throw new DaxError({ errno: 'EIO', syscall, hint: 'the device fails' });
  }
}
