// Owns devices on which the order of a log's stores is broken.

import type { BlockDevice, Bytes, FlushOption, WriteOptions } from 'node-dax';

export const TAIL_POS = 4096;
export const HEAD_POS = 4160;
export const NEXT_HEAD_POS = 4224;
export const RING_POS = 8192;

export type OrderFault =
  | 'forgets to flush records'
  | 'publishes before the record is durable'
  | 'acknowledges before the tail is durable'
  | 'uses room again before the head is durable'
  | 'moves the head before its copy'
  | 'clears nothing at recovery';

// Passes everything on to a device, but breaks the order in one way.
export class FaultyOrder implements BlockDevice {
  readonly size: number;
  readonly granularity = 'cache_line';
  readonly #device: BlockDevice;
  readonly #fault: OrderFault | undefined;
  #late: [number, number][] = [];
  #lateHead: Uint8Array | undefined;

  constructor(device: BlockDevice, fault: OrderFault | undefined) {
    this.size = device.size;
    this.#device = device;
    this.#fault = fault;
  }

  directAccess(sector: Bytes, size: Bytes) {
    return this.#device.directAccess(sector, size);
  }

  readSync(target: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions): number {
    return this.#device.readSync(target, pos, options);
  }

  writeSync(source: NodeJS.ArrayBufferView, pos: Bytes, options: WriteOptions = {}): number {
    const isLazy =
      (this.#fault === 'acknowledges before the tail is durable' && pos === TAIL_POS) ||
      (this.#fault === 'uses room again before the head is durable' && pos === HEAD_POS);
    if (this.#fault === 'moves the head before its copy' && pos === NEXT_HEAD_POS) {
      this.#lateHead = new Uint8Array(source.buffer.slice(source.byteOffset, source.byteOffset + source.byteLength));
      return source.byteLength;
    }
    const written = this.#device.writeSync(source, pos, isLazy ? { ...options, flush: false } : options);
    if (pos === HEAD_POS && this.#lateHead !== undefined) this.#device.writeSync(this.#lateHead, NEXT_HEAD_POS);
    for (const [at, length] of this.#late.splice(0)) this.#device.persist(at, length);
    return written;
  }

  zeroSync(pos: Bytes, length: Bytes, options?: FlushOption): number {
    if (this.#fault === 'clears nothing at recovery' && Number(pos) >= RING_POS) return Number(length);
    return this.#device.zeroSync(pos, length, options);
  }

  flush(pos: Bytes, length: Bytes): void {
    this.#device.flush(pos, length);
  }

  drain(): void {
    this.#device.drain();
  }

  persist(pos: Bytes, length: Bytes): void {
    if (Number(pos) >= RING_POS && this.#fault === 'forgets to flush records') return;
    if (Number(pos) >= RING_POS && this.#fault === 'publishes before the record is durable') this.#late.push([Number(pos), Number(length)]);
    else this.#device.persist(pos, length);
  }
}
