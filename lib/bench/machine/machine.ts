// Owns the description of the machine, from /proc and /sys, and the facts in it that make figures less reliable.

import { readdirSync, readFileSync } from 'node:fs';
import { arch, cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { allowedProcessors, listed } from './processors.js';

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly arch: string;
  /** Bytes. */
  readonly memory: number;
  /** Bytes of the largest cache of one processor. */
  readonly lastLevelCache: number | undefined;
  readonly kernel: string;
  /** Whether it is a guest: a hypervisor lies between it and the hardware. */
  readonly virtual: boolean;
  /** Whether QEMU (TCG) interprets its instructions. */
  readonly emulated: boolean;
  /** The governors of processor frequency; empty if the kernel has none. */
  readonly governors: readonly string[];
  /** The NUMA nodes of the processors that this process may run on. */
  readonly nodes: readonly number[];
  readonly load: number;
  readonly node: string;
}

/** The text of a file of the kernel below `root`; undefined if there is none. */
function text(root: string, path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8').trim();
  } catch {
    return undefined;
  }
}

function names(root: string, path: string): string[] {
  try {
    return readdirSync(join(root, path));
  } catch {
    return [];
  }
}

const SCALES: Readonly<Record<string, number>> = { K: 1024, M: 1024 ** 2 };

function lastLevelCache(root: string): number | undefined {
  const caches = '/sys/devices/system/cpu/cpu0/cache';
  const sizes = names(root, caches)
    .filter((name) => /^index\d+$/.test(name) && text(root, `${caches}/${name}/type`) !== 'Instruction')
    .map((name) => /^(\d+)([KM])$/.exec(text(root, `${caches}/${name}/size`) ?? ''))
    .map((match) => (match === null ? 0 : Number(match[1]) * (SCALES[match[2] ?? ''] ?? NaN)));
  const largest = Math.max(0, ...sizes);
  return largest === 0 ? undefined : largest;
}

function nodesOfProcess(root: string): number[] {
  const allowed = new Set(allowedProcessors(text(root, '/proc/self/status') ?? ''));
  const nodes = '/sys/devices/system/node';
  return names(root, nodes)
    .map((name) => Number(/^node(\d+)$/.exec(name)?.[1] ?? NaN))
    .filter((node) => !Number.isNaN(node))
    .filter((node) => listed(text(root, `${nodes}/node${node}/cpulist`) ?? '').some((cpu) => allowed.has(cpu)))
    .sort((a, b) => a - b);
}

function governors(root: string): string[] {
  const cpu = '/sys/devices/system/cpu';
  const found = names(root, cpu).map((name) => text(root, `${cpu}/${name}/cpufreq/scaling_governor`));
  return [...new Set(found.filter((governor) => governor !== undefined))];
}

/** The present frequencies of all processors in MHz; empty if the kernel does not report them. */
export function frequencies(root = '/'): number[] {
  const cpu = '/sys/devices/system/cpu';
  const found = names(root, cpu)
    .map((name) => Number(text(root, `${cpu}/${name}/cpufreq/scaling_cur_freq`) ?? NaN) / 1000)
    .filter((frequency) => !Number.isNaN(frequency));
  if (found.length > 0) return found;
  return [...(text(root, '/proc/cpuinfo') ?? '').matchAll(/^cpu MHz\s*:\s*([\d.]+)/gm)].map(([, mhz]) => Number(mhz));
}

export function readMachine(root = '/'): Machine {
  const cpuinfo = text(root, '/proc/cpuinfo') ?? '';
  const model = /^model name\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? cpus()[0]?.model ?? 'unknown';
  return {
    cpu: model,
    cpus: cpus().length,
    arch: arch(),
    memory: totalmem(),
    lastLevelCache: lastLevelCache(root),
    kernel: release(),
    virtual: /^flags\s*:.*\bhypervisor\b/m.test(cpuinfo),
    emulated: /\bTCG\b/.test(model),
    governors: governors(root),
    nodes: nodesOfProcess(root),
    load: loadavg()[0] ?? 0,
    node: process.version,
  };
}
