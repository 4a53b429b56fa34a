// Owns the warnings about what would otherwise mislead a reader of the figures.

import type { Job } from '../jobs/job.js';
import type { Machine } from './machine.js';

/** Facts about the file or device beyond those that drivers need. */
export interface Medium {
  readonly isDax: boolean;
  readonly kind: string;
  readonly filesystem: string | undefined;
  readonly numaNode: number | undefined;
}

const FREQUENCY_TOLERANCE = 0.05;

function mebibytes(bytes: number): string {
  return `${Number((bytes / 1024 ** 2).toFixed(1))} MiB`;
}

function ofCache({ lastLevelCache }: Machine, jobs: readonly Job[]): string[] {
  const largest = Math.max(...jobs.map(({ size }) => size));
  if (lastLevelCache === undefined || largest > lastLevelCache) return [];
  return [
    `The working set (${mebibytes(largest)}) fits the last-level cache (${mebibytes(lastLevelCache)}): reads come from the ` +
      `cache and not from the medium. Give a --size of ${mebibytes(4 * lastLevelCache)} or more.`,
  ];
}

function ofMedium({ isDax, kind, filesystem, numaNode }: Medium, { nodes }: Machine): string[] {
  const found: string[] = [];
  if (filesystem === 'tmpfs') {
    found.push('The file is on tmpfs: ordinary memory. Nothing on it survives, so no write is durable, however it is done; O_DIRECT is an ordinary copy.');
  } else if (!isDax) {
    const what = kind === 'block' ? 'A block device mapped as it is' : 'This file';
    found.push(`${what} is not DAX: node-dax works on the page cache, and "durable" is msync. \`node-dax doctor\` tells why.`);
  }
  if (numaNode !== undefined && nodes.length > 0) {
    if (!nodes.includes(numaNode)) {
      found.push(`The device is on NUMA node ${numaNode}, this process on ${nodes.join(', ')}: every access is remote. Run it under numactl --cpunodebind=${numaNode}.`);
    } else if (nodes.length > 1) {
      found.push(`This process may run on NUMA nodes ${nodes.join(', ')}, the device is on ${numaNode}: some trials may be remote. Run it under numactl --cpunodebind=${numaNode}.`);
    }
  }
  return found;
}

function ofProcessor({ governors, emulated, virtual, load, cpus }: Machine): string[] {
  const found: string[] = [];
  if (emulated) found.push('The processor is emulated (QEMU TCG): ratios tell of the emulator, and no figure means anything elsewhere.');
  else if (virtual) found.push('This is a virtual machine: its neighbours take part in every figure, and a NVDIMM may be an ordinary file of the host.');
  const moving = governors.filter((governor) => governor !== 'performance');
  if (moving.length > 0) {
    found.push(`The processor's frequency is governed by "${moving.join(', ')}" and moves with the load: cpupower frequency-set -g performance`);
  }
  if (load > cpus / 2) found.push(`The machine has other work (load ${load.toFixed(1)} on ${cpus} processors). Trust ratios before figures.`);
  return found;
}

/** The warnings, each a sentence or two. */
export function warningsOf(machine: Machine, medium: Medium, jobs: readonly Job[]): string[] {
  return [...ofMedium(medium, machine), ...ofCache(machine, jobs), ...ofProcessor(machine)];
}

/** The warning about changes of the frequencies (MHz) seen between trials; undefined if they stayed the same. */
export function frequencyWarning(seen: readonly number[]): string | undefined {
  const [lowest, highest] = [Math.min(...seen), Math.max(...seen)];
  if (seen.length === 0 || highest - lowest <= highest * FREQUENCY_TOLERANCE) return undefined;
  return `The processor's frequency moved between ${lowest.toFixed(0)} and ${highest.toFixed(0)} MHz while this ran.`;
}
