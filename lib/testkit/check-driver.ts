// Owns the test of a driver: it runs each probe on a device of its own, and times direct accesses.

import { performance } from 'node:perf_hooks';
import { argumentError, checkOptions, PAGE_SIZE, SECTOR_SIZE } from 'node-dax';
import { DRIVER_PROBES, type DriverProbe } from './driver/driver-probes.js';
import { DriverSession, toFailure, type MakeDriver } from './driver/driver-session.js';
import type { Check, Report } from './report.js';

/** Options of `checkDriver`. */
export interface CheckDriverOptions {
  /** The seed that chooses the pages of a large device. Default: another every time; the report has it. */
  seed?: number;
}

// The longest time in milliseconds that a fault may keep a thread waiting.
const STALL = 5;

async function withSession<T>(make: MakeDriver, seed: number, run: (session: DriverSession) => T | Promise<T>): Promise<T> {
  const session = await DriverSession.begin(make, seed);
  try {
    return await run(session);
  } finally {
    session.end();
  }
}

async function runProbe(probe: DriverProbe, make: MakeDriver, seed: number): Promise<Check> {
  const { rule, title, stores } = probe;
  try {
    const reason = await withSession(make, seed, (session) => (stores && session.device.readOnly ? 'the device is read-only' : probe.run(session)));
    if (reason !== undefined) return { rule, title, status: 'skipped', ok: true, detail: reason };
    return { rule, title, status: 'passed', ok: true };
  } catch (error) {
    const found = toFailure(error, rule);
    return { rule: found.rule, title, status: 'failed', ok: false, detail: found.message };
  }
}

async function findStalls(make: MakeDriver, seed: number): Promise<Check> {
  const check: Check = { rule: 'DA-6', title: `no direct access keeps the processor waiting for ${STALL} ms`, status: 'passed', ok: true };
  try {
    const { page, ms } = await withSession(make, seed, slowestOf);
    if (ms < STALL) return check;
    const detail = `page ${page} took ${ms.toFixed(1)} ms each time: memory that stalls should not offer direct access`;
    return { ...check, status: 'warned', detail };
  } catch (error) {
    return { ...check, status: 'skipped', detail: toFailure(error, 'DA-6').message };
  }
}

// The fastest of three accesses to each page counts, because other load is not the driver's fault.
function slowestOf({ device, pages }: DriverSession): { page: number; ms: number } {
  let slowest = { page: 0, ms: 0 };
  for (const page of pages.slice(0, 64)) {
    const times = [1, 2, 3].map(() => {
      const start = performance.now();
      device.directAccess((page * PAGE_SIZE) / SECTOR_SIZE, PAGE_SIZE);
      return performance.now() - start;
    });
    const ms = Math.min(...times);
    if (ms > slowest.ms) slowest = { page, ms };
  }
  return slowest;
}

/**
 * Tests a driver against the rules of direct access (DA-1 to DA-8): every page is there and stays at its address, ranges that the
 * driver reports as contiguous are contiguous, windows are the memory and not copies, all ways to the memory reach the same bytes,
 * in other threads too, locks exclude each other, and unplugging works. `make` is called for each probe; the content is destroyed.
 * Resolves with a report, and does not reject for a driver's mistakes.
 */
export async function checkDriver(make: MakeDriver, options: CheckDriverOptions = {}): Promise<Report> {
  if (typeof make !== 'function') throw argumentError('ERR_INVALID_ARG_TYPE', 'make must be a function that makes the device');
  checkOptions(options, { seed: true });
  const seed = options.seed ?? Date.now() % 1_000_000_000;
  const checks: Check[] = [];
  for (const probe of DRIVER_PROBES) checks.push(await runProbe(probe, make, seed));
  checks.push(await findStalls(make, seed));
  return { ok: checks.every(({ ok }) => ok), seed, checks };
}
