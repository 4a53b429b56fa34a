// Owns the run of the whole kit: the random run, each probe on a filesystem of its own, and the findings of the witness.

import { argumentError, checkOptions } from 'node-dax';
import type { MakeFilesystem } from './filesystem/contract.js';
import { failingRun } from './runs/failing-run.js';
import { Failure } from './failure.js';
import { whyUnmapped } from './filesystem/file-mappings.js';
import { fsx } from './runs/fsx.js';
import type { Probe } from './filesystem/probe.js';
import { BLOCK_PROBES } from './probes/probe-blocks.js';
import { DURABLE_PROBES } from './probes/probe-durable.js';
import { LIMIT_PROBES } from './probes/probe-limits.js';
import { MAPPED_PROBES } from './probes/probe-mapped.js';
import { PARKING_PROBES } from './probes/probe-parking.js';
import { STALE_PROBES } from './probes/probe-stale.js';
import type { Check, Report } from './report.js';
import { RULES, type RuleId } from './rules.js';
import { Session } from './filesystem/session.js';
import { WITNESSED } from './filesystem/witness.js';

export interface CheckOptions {
  /** The seed of the random operations. Default: another every time; the report has it. */
  seed?: number;
  /** How many random operations. Default 2000. */
  operations?: number;
  /** Bytes of the device, a multiple of 4096, at least 2 MiB. Default 4 MiB. */
  blockDeviceSize?: number;
}

const PROBES = [...BLOCK_PROBES, ...LIMIT_PROBES, ...STALE_PROBES, ...MAPPED_PROBES, ...PARKING_PROBES, ...DURABLE_PROBES];
const MIN_SIZE = 2 * 1024 * 1024;

/** How and where a rule that the witness watches was broken. */
interface Seen {
  readonly detail: string;
  readonly seed?: number;
  readonly sequence?: string;
}

function explain(rule: RuleId): string {
  return `${rule}, ${RULES[rule]}`;
}

// If a check fails by another rule than its own, its title does not explain that rule's id.
function detailOf(own: RuleId, { rule, message }: Failure): string {
  return rule === own ? message : `${message} (${explain(rule)})`;
}

async function runProbe(
  probe: Probe,
  make: MakeFilesystem,
  size: number,
  unmapped: string | undefined,
  seen: Map<RuleId, Seen>,
): Promise<Check> {
  const { rule, title, isMapped = false } = probe;
  const passed: Check = { rule, title, status: 'passed', ok: true };
  if (isMapped && unmapped !== undefined) return { ...passed, status: 'skipped', detail: unmapped };
  let session: Session | undefined;
  let result: Check;
  try {
    session = isMapped ? Session.beginMapped(make, size) : Session.begin(make, size);
    const reason = await probe.run(session);
    result = reason === undefined ? passed : { ...passed, status: 'skipped', detail: reason };
  } catch (error) {
    const found = error instanceof Failure ? error : new Failure(rule, String(error));
    result = { rule: found.rule, title, status: 'failed', ok: false, detail: detailOf(rule, found) };
  } finally {
    session?.end();
  }
  const failures = [...(session?.witness.failures.values() ?? [])];
  for (const { rule: broken, message } of failures) {
    if (!seen.has(broken)) seen.set(broken, { detail: `${message}, in: ${title}` });
  }
  const [first] = failures;
  // The probe failed because of a broken rule that has a check of its own.
  if (first !== undefined && !result.ok) {
    return { ...passed, status: 'skipped', detail: `${explain(first.rule)}: this was broken meanwhile (${result.detail ?? ''})` };
  }
  return result;
}

async function runFsx(
  make: MakeFilesystem,
  size: number,
  seed: number,
  operations: number,
  canMap: boolean,
  seen: Map<RuleId, Seen>,
): Promise<Check> {
  const which = canMap ? 'random operations, mapread and mapwrite among them,' : 'random operations';
  const title = `${operations} ${which} give what a byte array gives`;
  const check = { rule: 'fsx', title, status: 'passed', ok: true } as const;
  const found = await fsx(make, size, seed, operations, canMap);
  return found === undefined ? check : failed(check, found.failure, seen, { seed, sequence: found.sequence });
}

function runFailing(make: MakeFilesystem, seen: Map<RuleId, Seen>): Check {
  const title = 'a device that fails is told of, harms nothing that was there, and costs no block and no lock';
  const check = { rule: 'IO-6', title, status: 'passed', ok: true } as const;
  const found = failingRun(make, MIN_SIZE);
  return found === undefined ? check : failed(check, found, seen, {});
}

// A rule that the witness watches has a check of its own.
function failed(check: Check & { rule: RuleId }, failure: Failure, seen: Map<RuleId, Seen>, more: Pick<Check, 'seed' | 'sequence'>): Check {
  const { rule, message } = failure;
  if (!WITNESSED.includes(rule)) {
    return { ...check, rule, status: 'failed', ok: false, detail: detailOf(check.rule, failure), ...more };
  }
  if (!seen.has(rule)) seen.set(rule, { detail: message, ...more });
  return { ...check, status: 'skipped', detail: `${explain(rule)}: this was broken meanwhile` };
}

/**
 * Runs the kit on filesystems that `make` makes on the kit's own devices. Resolves with a report, and does not reject for a
 * filesystem's mistakes.
 *
 * Throws `RangeError` for a device too small.
 */
export async function checkFilesystem(make: MakeFilesystem, options: CheckOptions = {}): Promise<Report> {
  if (typeof make !== 'function') throw argumentError('ERR_INVALID_ARG_TYPE', 'make must be a function that makes a filesystem on a device');
  checkOptions(options, { seed: true, operations: true, blockDeviceSize: true });
  const seed = options.seed ?? Date.now() % 1_000_000_000;
  const size = options.blockDeviceSize ?? 2 * MIN_SIZE;
  if (size < MIN_SIZE || size % 4096 !== 0) {
    throw argumentError('ERR_OUT_OF_RANGE', `blockDeviceSize must be a multiple of 4096 and at least ${MIN_SIZE}, it is ${size}`);
  }
  const seen = new Map<RuleId, Seen>();
  const unmapped = whyUnmapped(make, size);
  const checks: Check[] = [await runFsx(make, size, seed, options.operations ?? 2000, unmapped === undefined, seen)];
  if (unmapped !== undefined) {
    checks.push({ rule: 'fsx', title: 'mapread and mapwrite', status: 'skipped', ok: true, detail: unmapped });
  }
  const fromHere = checks.length;
  for (const probe of PROBES) checks.push(await runProbe(probe, make, size, unmapped, seen));
  checks.push(runFailing(make, seen));
  const witnessed = WITNESSED.map((rule): Check => {
    const found = seen.get(rule);
    const status = found === undefined ? 'passed' : 'failed';
    return { rule, title: RULES[rule], status, ok: found === undefined, ...found };
  });
  checks.splice(fromHere, 0, ...witnessed);
  return { ok: checks.every(({ ok }) => ok), seed, checks };
}
