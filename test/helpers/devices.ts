// Owns the devices that the suites run on: files made here, and the real ones that the environment names.

import { randomBytes } from 'node:crypto';
import { unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openSync, type DaxDevice, type DeviceKind, type Granularity, type OpenOptions } from 'node-dax';
import { THOROUGH } from './thorough.js';

/** Bytes of the files that tests make: no multiple of 2 MiB, so the last huge page is partial. */
export const FILE_SIZE = 5 * 1024 * 1024;

export interface TestDevice {
  name: string;
  path: string;
  kind: DeviceKind;
  isDax: boolean;
  granularities: readonly Granularity[];
  persistent: Persistent;
  /** What it takes to open it for writing. */
  needed: OpenOptions;
  /** Opens it; the test closes it at its end. */
  open(options?: OpenOptions): DaxDevice;
}

/** What the kernel vouches for; of an ordinary file that depends on the machine. */
type Persistent = boolean | 'unknown' | 'depends';

interface Candidate {
  name: string;
  /** The variable that names the device, or the folder to make a file in. */
  variable?: string;
  folder?: string;
  kind: DeviceKind;
  isDax: boolean;
  granularities: readonly Granularity[];
  persistent: Persistent;
  needed?: OpenOptions;
  /** The kind that it is of: the name of another, on which faults, copies and closes go the same way. */
  like?: string;
}

// What must be there: '1' for every kind of device, or other memory, as `vm --device` calls it, with commas between.
const REQUIRED = process.env['NODE_DAX_TEST_REQUIRE'] ?? '';

// As in the guest. What needs no device is run beside it, on the host, many times as fast.
const ALL_REQUIRED = REQUIRED === '1';

/** Nothing else is to be looked at: the guest has nothing else, and the suites have run elsewhere. */
export const ONLY_OTHERS = !ALL_REQUIRED && REQUIRED !== '';

const FLUSHED: readonly Granularity[] = ['byte', 'cache_line'];
const SYNCED: readonly Granularity[] = ['page'];

const CANDIDATES: readonly Candidate[] = [
  { name: 'an ordinary file', folder: tmpdir(), kind: 'file', isDax: false, granularities: SYNCED, persistent: 'depends' },
  { name: 'a tmpfs file', folder: '/dev/shm', kind: 'file', isDax: false, granularities: SYNCED, persistent: false },
  { name: 'a file on ext4 -o dax', variable: 'NODE_DAX_TEST_EXT4', kind: 'fsdax', isDax: true, granularities: FLUSHED, persistent: true },
  { name: 'a file on xfs -o dax', variable: 'NODE_DAX_TEST_XFS', kind: 'fsdax', isDax: true, granularities: FLUSHED, persistent: true, like: 'a file on ext4 -o dax' },
  {
    name: 'a file on virtio-pmem',
    variable: 'NODE_DAX_TEST_VIRTIO_PMEM',
    kind: 'fsdax',
    isDax: true,
    granularities: SYNCED,
    persistent: true,
    like: 'a file on ext4 -o dax',
  },
  { name: 'devdax of 4 KiB', variable: 'NODE_DAX_TEST_DEVDAX', kind: 'devdax', isDax: true, granularities: FLUSHED, persistent: true },
  { name: 'devdax of 2 MiB', variable: 'NODE_DAX_TEST_DEVDAX_2M', kind: 'devdax', isDax: true, granularities: FLUSHED, persistent: true },
  { name: 'raw pmem', variable: 'NODE_DAX_TEST_PMEM', kind: 'block', isDax: false, granularities: SYNCED, persistent: true },
  { name: 'a RAM disk (brd)', variable: 'NODE_DAX_TEST_BRD', kind: 'block', isDax: false, granularities: SYNCED, persistent: false, like: 'raw pmem' },
];

/** Devdax that are no armed NVDIMMs, where the machine has them: guests of their own do (`scripts/test-guest.mjs`). */
const OTHERS: readonly Candidate[] = [
  other('soft-reserved memory', 'hmem', false),
  other('CXL volatile memory', 'cxl-ram', false),
  other('CXL persistent memory', 'cxl-pmem', true),
  other('memory of the e820 map', 'e820', 'unknown'),
  other('a volatile range of the NFIT', 'nfit-volatile', false),
  other('devdax on virtio-pmem', 'virtio-devdax', false),
  { ...other('an unarmed NVDIMM', 'unarmed', false), needed: { force: true } },
];

function other(name: string, device: string, persistent: Persistent): Candidate {
  return { name, variable: variableOf(device), kind: 'devdax', isDax: true, granularities: FLUSHED, persistent };
}

function variableOf(device: string): string {
  return `NODE_DAX_TEST_${device.toUpperCase().replaceAll('-', '_')}`;
}

function isRequired(variable = ''): boolean {
  return REQUIRED.split(',').some((device) => variableOf(device) === variable);
}

function candidates(): readonly Candidate[] {
  if (ONLY_OTHERS) return REQUIRED.split(',').map(required);
  return [...CANDIDATES, ...OTHERS.filter(({ variable = '' }) => process.env[variable] !== undefined)];
}

function required(device: string): Candidate {
  const found = OTHERS.find(({ variable }) => variable === variableOf(device));
  if (found === undefined) throw new RangeError(`NODE_DAX_TEST_REQUIRE: there is no ${device}`);
  return found;
}

/** A path for a file that is removed when `test` ends. */
export function scratchPath(test: Test, folder: string = tmpdir()): string {
  const path = join(folder, `node-dax-test-${process.pid}-${randomBytes(4).toString('hex')}`);
  test.teardown(() => {
    try {
      unlinkSync(path);
    } catch {
      // The test may have removed it, or never made it.
    }
  });
  return path;
}

function prepare(test: Test, candidate: Candidate, named: string): TestDevice {
  const isFile = candidate.kind === 'file' || candidate.kind === 'fsdax';
  const path = isFile ? scratchPath(test, named) : named;
  const { name, kind, isDax, granularities, persistent, needed = {} } = candidate;
  if (isFile) openSync(path, { size: FILE_SIZE }).closeSync();
  const open = (options?: OpenOptions) => {
    const device = openSync(path, { ...needed, ...options });
    test.teardown(() => device.close());
    return device;
  };
  return { name, path, kind, isDax, granularities, persistent, needed, open };
}

type Run = (test: Test, device: TestDevice) => Promise<void> | void;

/** Runs a test on every kind of device: skipped, with the reason, where this machine has none. */
export function onEveryDevice(title: string, run: Run): void {
  runOn(title, candidates(), run);
}

/**
 * As `onEveryDevice`, but on one device of each kind: a file with DAX, a devdax of 4 KiB and of 2 MiB, a block device, an ordinary
 * file. For tests that do not depend on how a store becomes durable. A thorough run takes every device.
 */
export function onEveryKind(title: string, run: Run): void {
  runOn(title, THOROUGH ? candidates() : candidates().filter(({ like }) => like === undefined), run);
}

/** As `onEveryDevice`, on those of these names. `everywhere`: what needs no device in the guest too, because others are beside it. */
export function onDevices(title: string, names: readonly string[], run: Run, { everywhere = false } = {}): void {
  const chosen = CANDIDATES.filter(({ name }) => names.includes(name));
  if (chosen.length < names.length) throw new RangeError(`there is no kind of device for each of ${names.join(', ')}`);
  runOn(title, chosen, run, everywhere);
}

function runOn(title: string, candidates: readonly Candidate[], run: Run, everywhere = false): void {
  t.test(title, (parent) => {
    for (const candidate of candidates) {
      const named = candidate.folder ?? process.env[candidate.variable ?? ''];
      if (named === undefined) {
        const reason = `${candidate.variable ?? ''} names no device: npm run test:guest has one`;
        if (ONLY_OTHERS && !candidates.some(({ variable }) => isRequired(variable))) parent.test(candidate.name, { skip: 'the guest has other memory' }, () => undefined);
        else if (REQUIRED !== '') parent.fail(`${candidate.name}: ${reason}`);
        else parent.test(candidate.name, { skip: reason }, () => undefined);
        continue;
      }
      if (ALL_REQUIRED && candidate.folder !== undefined && !everywhere) {
        parent.test(candidate.name, { skip: 'the host runs it' }, () => undefined);
        continue;
      }
      parent.test(candidate.name, async (test) => {
        await run(test, prepare(test, candidate, named));
      });
    }
    parent.end();
  });
}
