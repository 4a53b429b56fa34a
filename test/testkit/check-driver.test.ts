// checkDriver finds nothing in drivers that keep the rules, and in twenty-seven that break one each, that one.

import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { blockDevice, DaxError, lockDevice, openScratch, PAGE_SIZE, SECTOR_SIZE, type Driver, type DriverAnswer, type LockMode, type Place } from 'node-dax';
import { axonram, brd, dcssblk, faulty, linear, readOnly, striped } from 'node-dax/drivers';
import { checkDriver, format, type MakeDriver, type Report } from 'node-dax/testkit';
import { scratchPath } from '../helpers/devices.js';

const PAGES = 48;
const SIZE = PAGES * PAGE_SIZE;
const LARGE = 8 * 1024 * 1024;

/** Plain memory. */
function plain(): Driver & { memory: Uint8Array } {
  const memory = new Uint8Array(SIZE);
  return Object.defineProperty(
    {
      sectors: SIZE / SECTOR_SIZE,
      directAccess: (sector: number): DriverAnswer => ({ bytes: SIZE - sector * SECTOR_SIZE, window: memory.subarray(sector * SECTOR_SIZE) }),
    } as unknown as Driver & { memory: Uint8Array },
    'memory',
    { value: memory, enumerable: false },
  );
}

/** Memory of an open device's, which is closed with it. */
function backed(): Required<Pick<Driver, 'directAccess' | 'backing' | 'release'>> & Driver {
  const below = openScratch(SIZE);
  return {
    sectors: SIZE / SECTOR_SIZE,
    directAccess: (sector, size) => below.directAccess(sector, size),
    backing: (pos): Place => ({ device: below, pos }),
    release: () => { below.closeSync(); },
  };
}

function failures({ checks }: Report): string[] {
  return checks.filter(({ ok }) => !ok).map(({ rule }) => rule);
}

t.test('drivers that keep the rules', async (parent) => {
  const over = (make: (...devices: ReturnType<typeof openScratch>[]) => ReturnType<typeof linear>) => () => {
    const devices = [openScratch(SIZE), openScratch(SIZE)];
    const device = make(...devices);
    return Object.assign(device, { devices });
  };
  const good: Record<string, MakeDriver> = {
    plain,
    backed,
    linear: over((...devices) => linear(devices)),
    striped: over((...devices) => striped(devices, { chunk: 2 * PAGE_SIZE })),
    axonram: over((device) => axonram(device, { pos: PAGE_SIZE })),
    faulty: over((device) => faulty(device, () => undefined)),
    readOnly: over((device) => readOnly(device)),
    brd: () => brd({ size: 2 ** 40, memory: 8 * 1024 * 1024 }),
    dcssblk: () => dcssblk([1, 2].map(() => ({ path: scratchPath(parent, '/dev/shm'), access: 'exclusive' as const, size: SIZE }))),
  };
  for (const [name, make] of Object.entries(good)) {
    const report = await checkDriver(make, { seed: 1 });
    parent.ok(report.ok, `${name}: ${format(report)}`);
    const skipped = report.checks.filter(({ status }) => status === 'skipped').map(({ detail }) => detail ?? '');
    const expected = name === 'plain' ? /no page frames|NOT_MAPPABLE|no page can be mapped/ : name === 'readOnly' ? /read-only|no page frames/ : /no page frames/;
    parent.strictSame(skipped.filter((detail) => !expected.test(detail)), [], `${name}: what could not be tried`);
  }
});

/** A driver whose answers are changed. */
function changed(change: (answer: Exclude<DriverAnswer, number>, sector: number, size: number, driver: ReturnType<typeof plain>) => unknown): MakeDriver {
  return () => {
    const driver = plain();
    return {
      ...driver,
      directAccess: (sector: number, size: number) => change(driver.directAccess(sector, size) as Exclude<DriverAnswer, number>, sector, size, driver) as DriverAnswer,
    };
  };
}

const onPage = (page: number, sector: number) => sector === (page * PAGE_SIZE) / SECTOR_SIZE;

function stall(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

const BROKEN: [name: string, rule: string, make: MakeDriver][] = [
  ['gives a part of a page', 'DA-1', changed(({ window }) => ({ bytes: 1000, window }))],
  ['has nothing at a page in the middle', 'DA-1', changed((answer, sector) => (onPage(9, sector) ? { ...answer, bytes: 0 } : answer))],
  ['gives a negative number of bytes', 'DA-1', changed((answer) => ({ ...answer, bytes: -answer.bytes }))],
  ['gives more than the device has', 'DA-4', changed(({ window }) => ({ bytes: SIZE, window }))],
  ['fails where more is asked for than it has together', 'DA-7', changed((answer, _sector, size) => (size > 2 * PAGE_SIZE ? -22 : answer))],
  ['fails for nothing', 'DA-5', changed((answer, _sector, size) => (size === 0 ? -22 : answer))],
  ['gives a window on less than it says', 'DA-6', changed(({ bytes, window }) => ({ bytes, window: window.subarray(0, PAGE_SIZE) }))],
  ['gives a window that is no memory', 'DA-6', changed(({ bytes }) => ({ bytes, window: [] }))],
  ['gives a Buffer of a copy', 'DA-6', changed(({ bytes, window }) => ({ bytes, window: window.slice() }))],
  ['gives the start of the device always', 'DA-6', changed(({ bytes }, _sector, _size, { memory }) => ({ bytes, window: memory }))],
  ['takes sectors for pages', 'DA-6', changed((_answer, sector, _size, { memory }) => ({ bytes: PAGE_SIZE, window: memory.subarray((sector * PAGE_SIZE) % SIZE) }))],
  ['takes sectors for bytes', 'DA-6', changed((_answer, sector, _size, { memory }) => ({ bytes: PAGE_SIZE, window: memory.subarray(sector) }))],
  [
    'says of pages that they lie together, and they do not',
    'DA-6',
    changed(({ bytes, window }, sector, _size, { memory }) => (onPage(7, sector) ? { bytes: PAGE_SIZE, window: memory.subarray(20 * PAGE_SIZE) } : onPage(20, sector) ? { bytes: PAGE_SIZE, window: memory.subarray(7 * PAGE_SIZE) } : { bytes, window })),
  ],
  [
    'shows its memory through a smaller window, which it moves',
    'DA-6',
    () => {
      const banks = Array.from({ length: PAGES }, () => new Uint8Array(PAGE_SIZE));
      const window = new Uint8Array(PAGE_SIZE);
      let selected = 0;
      return {
        sectors: SIZE / SECTOR_SIZE,
        directAccess(sector: number) {
          (banks[selected] as Uint8Array).set(window);
          selected = (sector * SECTOR_SIZE) / PAGE_SIZE;
          window.set(banks[selected] as Uint8Array);
          return { bytes: PAGE_SIZE, window };
        },
      };
    },
  ],
  [
    'moves a page to other memory each time',
    'DA-6',
    () => {
      const pages = new Map<number, Uint8Array>();
      return {
        sectors: SIZE / SECTOR_SIZE,
        directAccess(sector: number) {
          const window = (pages.get(sector) ?? new Uint8Array(PAGE_SIZE)).slice();
          pages.set(sector, window);
          return { bytes: PAGE_SIZE, window };
        },
      };
    },
  ],
  ['clears a page whenever it is accessed', 'DA-6', changed(({ bytes, window }) => ({ bytes, window: window.fill(0, 0, PAGE_SIZE) }))],
  ['answers with a number', 'DA-7', changed(({ bytes }) => bytes)],
  ['answers later', 'DA-7', changed((answer) => Promise.resolve(answer))],
  ['answers not at all', 'DA-7', changed(() => undefined)],
  ['throws what is no DaxError', 'DA-7', changed(() => { throw new TypeError('a bug'); })],
  ['fails at its last page', 'DA-7', changed((answer, sector) => { if (onPage(PAGES - 1, sector)) throw new DaxError({ errno: 'EIO', syscall: 'x' }); return answer; })],
  ['gives one page frame to two pages', 'DA-6', changed((answer) => ({ ...answer, pfn: 5 }))],
  ['is backed elsewhere than its windows show', 'DA-6', () => { const driver = backed(); return { ...driver, backing: (pos, length, isMapped) => driver.backing(pos < SIZE / 2 ? pos + SIZE / 2 : pos - SIZE / 2, length, isMapped) }; }],
  [
    'is backed in pieces, and does not say so',
    'DA-6',
    () => {
      const below = openScratch(SIZE);
      const swap = (pos: number): number => pos + (Math.floor(pos / PAGE_SIZE) % 2 === 0 ? PAGE_SIZE : -PAGE_SIZE);
      return {
        sectors: SIZE / SECTOR_SIZE,
        directAccess: (sector: number) => ({ bytes: PAGE_SIZE * 2, window: below.view(swap(sector * SECTOR_SIZE), Math.min(2 * PAGE_SIZE, SIZE - swap(sector * SECTOR_SIZE))) }),
        backing: (pos: number) => ({ device: below, pos: swap(pos) }),
        release: () => { below.closeSync(); },
      };
    },
  ],
  ['has a lock that locks nothing', 'lock', () => ({ ...plain(), lock: () => ({ release: () => undefined, [Symbol.dispose]: () => undefined }) })],
  ['keeps its lock', 'lock', () => { const token = plain(); const device = blockDevice(token); return { ...plain(), lock: (mode: LockMode, pos: number, length: number) => ({ ...lockDevice(device, mode, pos, length), release: () => undefined }) }; }],
  ['cannot be released', 'unplug', () => ({ ...plain(), release: () => { throw new Error('still in use'); } })],
];

t.test(`${BROKEN.length} drivers that break one rule each`, async (test) => {
  for (const [name, rule, make] of BROKEN) {
    const report = await checkDriver(make, { seed: 1 });
    test.ok(failures(report).includes(rule), `a driver that ${name}: ${rule}, found ${failures(report).join(' ')}`, { report: format(report) });
  }
});

t.test('reads under way fail nobody when the device cannot be unplugged', async (test) => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => { unhandled.push(error); };
  process.on('unhandledRejection', note);
  test.teardown(() => process.off('unhandledRejection', note));
  // So large that a read is left to another thread, and is under way when the driver refuses to be released.
  const make: MakeDriver = () => {
    const below = openScratch(LARGE);
    return {
      sectors: LARGE / SECTOR_SIZE,
      directAccess: (sector: number, size: number) => below.directAccess(sector, size),
      backing: (pos: number): Place => ({ device: below, pos }),
      release: () => { below.closeSync(); throw new Error('still in use'); },
    };
  };
  const report = await checkDriver(make, { seed: 1 });
  await delay(10);
  test.ok(failures(report).includes('unplug'));
  test.strictSame(unhandled, []);
});

t.test('a driver that stalls is warned of, and passes', async (test) => {
  const report = await checkDriver(() => {
    const driver = plain();
    return { ...driver, directAccess: (sector: number, size: number) => { if (onPage(3, sector)) stall(6); return driver.directAccess(sector, size); } };
  });
  test.ok(report.ok);
  test.match(report.checks.find(({ status }) => status === 'warned'), { rule: 'DA-6', detail: /^page 3 took [\d.]+ ms/ });
  test.match(format(report), /1 warned, seed/);
});

t.test('a driver of one page is too small to be tried', async (test) => {
  const report = await checkDriver(() => ({ ...plain(), sectors: 8 }), { seed: 1 });
  test.match(report.checks[0], { ok: false, detail: /at least two pages/ });
});
