// Owns the shape of a diagnosis and the words for persistence domains.

import type { Granularity } from '../../binding.js';
import type { PersistenceDomain, RegionInfo } from '../device-info.js';
import type { Evidence } from '../evidence.js';

/** Why a path is or is not DAX. */
export interface Report {
  path: string;
  /** A kind of `DaxDevice.kind`, `directory` or `other`. The report of a directory describes the files in it. */
  kind: 'devdax' | 'fsdax' | 'file' | 'block' | 'directory' | 'other';
  /** Whether loads and stores reach the memory without the page cache; undefined if an attribute of the file decides it. */
  isDax: boolean | undefined;
  /** The granularity of a mapping of the path; undefined if it cannot be mapped. */
  granularity: Granularity | undefined;
  /** Whether bytes that were stored and flushed survive a power cut; see `PersistentInfo`. */
  persistent: boolean | undefined;
  /** The answer in plain words. */
  verdict: string;
  evidence: Evidence[];
  /** The one command that changes the verdict, if there is one. The verdict says so if the command erases data. */
  fix?: string;
}

/** The result of one part of a diagnosis; `doctor` adds the path, what survives a power cut, and what the user may do. */
export type Finding = Omit<Report, 'path' | 'persistent'>;

/** The granularity of a direct mapping, by libpmem2's rule: flushes are left out only on the platform's promise. */
export function granularityOf(domain: PersistenceDomain): Granularity {
  return domain === 'cpu_cache' ? 'byte' : 'cache_line';
}

/** What a persistence domain means for the program, if the kernel vouches for the memory. */
export function meaningOfDomain(domain: PersistenceDomain): string {
  switch (domain) {
    case 'cpu_cache':
      return 'the CPU caches survive a power failure (eADR): a store needs no flush';
    case 'memory_controller':
      return 'a store is durable once flushed from the CPU caches (ADR)';
    case 'unknown':
      return 'a store reaches the memory once flushed from the CPU caches';
  }
}

/**
 * The persistence domain of a region as evidence; none if the region has no such attribute. The domain alone proves nothing about
 * the memory: the region of an unarmed NVDIMM has one as well.
 */
export function domainEvidence({ dev, persistenceDomain }: RegionInfo): Evidence[] {
  if (persistenceDomain === 'unknown') return [];
  const source = `/sys/bus/nd/devices/${dev}/persistence_domain`;
  const meaning =
    persistenceDomain === 'cpu_cache' ?
      'a power failure empties the CPU caches into the memory (eADR)'
    : 'a power failure empties the memory controller into the memory, not the CPU caches (ADR)';
  return [{ source, value: persistenceDomain, meaning }];
}

/** `text` as the beginning of a sentence. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `word` as one word of a shell command. */
export function quoted(word: string): string {
  return /^[\w/.:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A size in the largest binary unit that divides it: `2 MiB`. */
export function sized(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value > 0 && value % 1024 === 0 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value} ${units[unit] ?? ''}`;
}
