// Owns a small log on persistent memory, for testing the crash test. It is correct unless it is told to break the order of stores.

import { DaxError, type BlockDevice } from 'node-dax';

export type OrderFault =
  | 'forgets a flush'
  | 'forgets a fence'
  | 'publishes before it initialises'
  | 'publishes 16 bytes'
  | 'acknowledges early';

// The number of records lies in the first word, records of 128 bytes from the second page on: their length, and text.
const RECORDS = 4096;
const RECORD = 128;

export class ToyLog {
  readonly texts: string[] = [];
  readonly #device: BlockDevice;
  readonly #fault: OrderFault | undefined;

  static format(device: BlockDevice): void {
    device.zeroSync(0, RECORDS);
  }

  constructor(device: BlockDevice, fault?: OrderFault) {
    this.#device = device;
    this.#fault = fault;
    const header = Buffer.alloc(16);
    device.readSync(header, 0);
    const count = header.readDoubleLE(0);
    const record = Buffer.alloc(RECORD);
    for (let index = 0; index < count; index++) {
      device.readSync(record, RECORDS + index * RECORD);
      const length = record.readUInt32LE(0);
      if (length > RECORD - 4) throw new DaxError({ errno: 'EUCLEAN', syscall: 'toylog', hint: `record ${index}` });
      this.texts.push(record.toString('latin1', 4, 4 + length));
    }
    const sum = this.texts.join('').length;
    if (this.#fault === 'publishes 16 bytes' && header.readDoubleLE(8) !== sum) {
      throw new DaxError({ errno: 'EUCLEAN', syscall: 'toylog', hint: `${sum} bytes instead of ${header.readDoubleLE(8)}` });
    }
  }

  append(text: string): void {
    const device = this.#device;
    const fault = this.#fault;
    const pos = RECORDS + this.texts.length * RECORD;
    const record = Buffer.alloc(4 + text.length);
    record.writeUInt32LE(text.length);
    record.write(text, 4, 'latin1');
    this.texts.push(text);
    if (fault === 'publishes before it initialises') this.#publish();
    device.writeSync(record, pos, { flush: false });
    // The record's second line, if it has one, is what is easily forgotten.
    device.flush(pos, fault === 'forgets a flush' ? 1 : record.length);
    if (fault !== 'forgets a fence') device.drain();
    if (fault !== 'publishes before it initialises') this.#publish();
  }

  #publish(): void {
    const header = Buffer.alloc(16);
    header.writeDoubleLE(this.texts.length, 0);
    header.writeDoubleLE(this.texts.join('').length, 8);
    const length = this.#fault === 'publishes 16 bytes' ? 16 : 8;
    this.#device.writeSync(header.subarray(0, length), 0, { flush: this.#fault !== 'acknowledges early' });
  }
}
