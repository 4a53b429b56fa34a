// Owns one driver under test: its device, a selection of its pages, and the record of the calls of its functions.

import { argumentError, blockDevice, DaxError, DriverDevice, PAGE_SIZE, SECTOR_SIZE, type Driver, type DriverAnswer } from 'node-dax';
import { Failure } from '../failure.js';
import { seeded, type Random } from '../random.js';
import type { RuleId } from '../rules.js';

/** Makes a driver with memory of its own, whose content the kit destroys, or a device over such a driver. */
export type MakeDriver = () => Driver | DriverDevice | Promise<Driver | DriverDevice>;

const SECTORS = PAGE_SIZE / SECTOR_SIZE;
// The most pages to test. Of larger devices: the first, the last, those at the ends of answers, and some between.
const MOST_PAGES = 256;
const EDGE = 24;
const BORDERS = 32;

export class DriverSession {
  readonly device: DriverDevice;
  readonly random: Random;
  /** The numbers of the pages to test, in ascending order. */
  readonly pages: readonly number[];
  /** How often the driver was asked to release its memory, and how often for memory afterwards; undefined for a device. */
  readonly #watched: { releases: number; late: number } | undefined;

  private constructor(made: Driver | DriverDevice, seed: number) {
    if (made instanceof DriverDevice) this.device = made;
    else {
      this.#watched = { releases: 0, late: 0 };
      this.device = blockDevice(watch(made, this.#watched));
    }
    if (this.device.size < 2 * PAGE_SIZE) throw argumentError('ERR_OUT_OF_RANGE', 'the device must have at least two pages');
    this.random = seeded(seed);
    this.pages = this.#choosePages();
  }

  static async begin(make: MakeDriver, seed: number): Promise<DriverSession> {
    return new DriverSession(await make(), seed);
  }

  end(): void {
    this.device.closeSync();
  }

  get releases(): number | undefined {
    return this.#watched?.releases;
  }

  get late(): number {
    return this.#watched?.late ?? 0;
  }

  /** The memory of one page. */
  window(page: number): Uint8Array {
    return this.device.directAccess(page * SECTORS, PAGE_SIZE).window;
  }

  #choosePages(): number[] {
    const total = Math.floor(this.device.size / PAGE_SIZE);
    if (total <= MOST_PAGES) return Array.from({ length: total }, (_, page) => page);
    const chosen = new Set<number>();
    for (let page = 0; page < EDGE; page++) chosen.add(page).add(total - 1 - page);
    for (const border of this.#borders(total)) chosen.add(border - 1).add(border);
    while (chosen.size < MOST_PAGES) chosen.add(this.random(total));
    return [...chosen].filter((page) => page < total).sort((a, b) => a - b);
  }

  // Pages at which an answer of `directAccess` ended.
  #borders(total: number): number[] {
    const borders: number[] = [];
    for (let page = 0; page < total && borders.length < BORDERS; ) {
      try {
        page += Math.max(1, Math.floor(this.device.directAccess(page * SECTORS, (total - page) * PAGE_SIZE).bytes / PAGE_SIZE));
      } catch (error) {
        // The probes that ask for this page will report the error.
        if (!(error instanceof DaxError)) throw error;
        page += 1 + this.random(MOST_PAGES);
      }
      borders.push(page);
    }
    return borders;
  }
}

function watch(driver: Driver, seen: { releases: number; late: number }): Driver {
  const { sectors, granularity, pageSize, persistent, readOnly } = driver;
  const asking = (): void => {
    if (seen.releases > 0) seen.late++;
  };
  return {
    ...{ sectors, granularity, pageSize, persistent, readOnly },
    directAccess(sector, size): DriverAnswer {
      asking();
      return driver.directAccess(sector, size);
    },
    ...(driver.backing !== undefined && {
      backing(pos: number, length: number, isMapped: boolean) {
        asking();
        return (driver as Required<Driver>).backing(pos, length, isMapped);
      },
    }),
    ...(driver.lock !== undefined && { lock: (...wanted: Parameters<Required<Driver>['lock']>) => (driver as Required<Driver>).lock(...wanted) }),
    release() {
      seen.releases++;
      driver.release?.();
    },
  };
}

/** Throws a `Failure` of `rule` with this message. */
export function fail(rule: RuleId, message: string): never {
  throw new Failure(rule, message);
}

/** The failure that an error of a driver's device means: the rule that the driver broke, or that it failed (DA-7). */
export function toFailure(error: unknown, rule: RuleId): Failure {
  if (error instanceof Failure) return error;
  if (!(error instanceof DaxError)) return new Failure(rule, String(error));
  const [broken = 'DA-7'] = /^DA-[1-8]/.exec(error.reason === 'DRIVER_BROKEN' ? (error.hint ?? '') : '') ?? [];
  return new Failure(broken as RuleId, error.message);
}
