// Owns the driver of a bank of memory with error correction, as axonram had it for the DDR2 of a Cell blade's controller.

import { argumentError, checkOptions, DaxError, DriverDevice, PAGE_SIZE, SECTOR_SIZE, type BlockDevice, type Bytes } from 'node-dax';

/** Where the bank lies. */
export interface BankOptions {
  /** Its first byte on the device, a multiple of 4096. Default 0. */
  pos?: Bytes | undefined;
  /** Bytes, a multiple of 4096. Default: to the end of the device. */
  size?: Bytes | undefined;
}

// What the bank and its driver have in common.
interface Bank {
  readonly bad: Set<number>;
  correctable: number;
}

function uncorrectable(position: number): DaxError {
  return new DaxError({ errno: 'EIO', syscall: 'directAccess', reason: 'MEDIA_ERROR', position, hint: 'an error there could not be corrected' });
}

/**
 * Made by `axonram`. An answer is all that is left of the bank: up to the next page with an uncorrectable error, which is
 * `EIO` with its position. A file of which such a page is a part is not mapped any further.
 */
export class AxonRam extends DriverDevice {
  readonly #bank: Bank;

  /** @internal Use `axonram`. */
  constructor(device: BlockDevice, start: number, size: number, bank: Bank) {
    const reach = (pos: number): number => {
      const page = pos - (pos % PAGE_SIZE);
      if (bank.bad.has(page)) throw uncorrectable(page);
      return Math.min(size, ...[...bank.bad].filter((bad) => bad > pos)) - pos;
    };
    super({
      sectors: size / SECTOR_SIZE,
      directAccess(sector, wanted) {
        const pos = sector * SECTOR_SIZE;
        return device.directAccess((start + pos) / SECTOR_SIZE, Math.min(wanted, reach(pos)));
      },
      backing: (pos, length) => ({ device, pos: start + pos, length: Math.min(length, reach(pos)) }),
    });
    this.#bank = bank;
  }

  /** How many errors were corrected. */
  get correctable(): number {
    return this.#bank.correctable;
  }

  /** The pages that have one that was not, by the position of their first byte, in their order. */
  get uncorrectable(): readonly number[] {
    return [...this.#bank.bad].sort((a, b) => a - b);
  }

  /** What the controller's interrupt tells: an error at byte `pos`, which was corrected, or could not be. */
  tellError(pos: number, isCorrected: boolean): void {
    if (!(pos >= 0 && pos < this.size)) throw argumentError('ERR_OUT_OF_RANGE', `pos must be in the bank, got ${pos}`);
    if (isCorrected) this.#bank.correctable++;
    else this.#bank.bad.add(pos - (pos % PAGE_SIZE));
  }
}

/** A bank of memory at an offset of `device`: flat, so that an answer is all that is left of it. Closing it leaves `device` open. */
export function axonram(device: BlockDevice, options: BankOptions = {}): AxonRam {
  checkOptions(options, { pos: true, size: true });
  const start = Number(options.pos ?? 0);
  const size = Number(options.size ?? device.size - start - ((device.size - start) % PAGE_SIZE));
  if (!(start >= 0 && size > 0 && start % PAGE_SIZE === 0 && size % PAGE_SIZE === 0 && start + size <= device.size)) {
    throw argumentError('ERR_OUT_OF_RANGE', `pos and size must be multiples of ${PAGE_SIZE} within the ${device.size} bytes of the device`);
  }
  return new AxonRam(device, start, size, { bad: new Set(), correctable: 0 });
}
