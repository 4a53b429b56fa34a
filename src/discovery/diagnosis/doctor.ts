// Owns doctor(): it finds out what a path is, which diagnosis applies to it, and what this user may do with it.

import { blockNumbered } from '../devices/block.js';
import { devdaxNamed, devdaxNumbered } from '../devices/devdax.js';
import { diagnoseBlock } from './diagnose-block.js';
import { diagnoseDevdax } from './diagnose-devdax.js';
import { diagnoseFile } from './diagnose-file.js';
import { look, type PathFacts } from '../system/look.js';
import { mountOf, readMounts } from '../system/mounts.js';
import { openFacts, type OpenFacts } from '../system/open-facts.js';
import { persistenceOf } from '../devices/persistence.js';
import { type Persistence, persistenceOfDevdax } from '../devices/region-persistence.js';
import { type Finding, meaningOfDomain, quoted, type Report, sentence } from './report.js';
import { SystemTree } from '../system/system-tree.js';
import { userFaults } from '../system/user-faults.js';
import { argumentError } from '../../argument-error.js';
import type { Granularity } from '../../binding.js';
import { DaxError } from '../../errors.js';
import { checkOptions, type OptionNames } from '../../options.js';

/** The options of `doctor`. */
export interface DoctorOptions {
  /** Tell also which page faults of mapped files (`daxMmap`) this process may serve, whatever the path is. Default false. */
  mappings?: boolean | undefined;
}

const OPTIONS: OptionNames<DoctorOptions> = { mappings: true };

/**
 * Tells why `path` is or is not DAX: the verdict, the evidence for it from sysfs and /proc, and the command that changes it. It
 * opens a file for reading, because under dax=inode only the file itself tells. If this process may not open the file, `isDax` may
 * be undefined. Throws `DaxError` for a path that leads nowhere (`ENOENT`, `ENOTDIR`, `ELOOP`, `EACCES`), and nothing else.
 */
export function doctor(path: string, options: DoctorOptions = {}): Report {
  checkOptions(options, OPTIONS);
  const { mappings } = options;
  if (mappings !== undefined && typeof mappings !== 'boolean') throw argumentError('ERR_INVALID_ARG_TYPE', 'mappings must be a boolean');
  const tree = new SystemTree();
  const report = examine(path, tree, openFacts(path));
  if (mappings === true) report.evidence.push(userFaults(tree));
  return report;
}

/** `doctor()` with the /sys and /proc in `tree`, and with the facts that opening the path gave. */
export function examine(path: string, tree: SystemTree, open: OpenFacts = {}): Report {
  try {
    return diagnose(look(path, 'doctor'), tree, open);
  } catch (error) {
    const absent = error instanceof DaxError && error.code === 'ENOENT' ? withoutNode(path, tree) : undefined;
    if (absent === undefined) throw error;
    return absent;
  }
}

/** The report about a path with the facts that stat gave. */
export function diagnose(facts: PathFacts, tree: SystemTree, open: OpenFacts = {}): Report {
  const persistence = persistenceOf(tree, facts);
  return { path: facts.path, ...withPermission(tree, facts, withPersistence(persistence, find(facts, tree, open))) };
}

// A path that cannot be mapped stores nothing for programs, so its persistence is not reported.
function withPersistence(persistence: Persistence, finding: Finding): Omit<Report, 'path'> {
  if (finding.granularity === undefined) return { ...finding, persistent: undefined };
  const { persistent, evidence } = persistence;
  const note = survival(persistence, finding.granularity);
  return { ...finding, persistent, verdict: `${finding.verdict}${note}`, evidence: [...finding.evidence, evidence] };
}

function survival({ persistent, domain, evidence }: Persistence, granularity: Granularity): string {
  if (persistent === false) return ` ${sentence(evidence.meaning)}.`;
  if (granularity === 'page') return '';
  if (persistent === undefined) return ' The kernel does not vouch that what is stored survives a power failure.';
  return ` ${sentence(meaningOfDomain(domain))}.`;
}

function find(facts: PathFacts, tree: SystemTree, open: OpenFacts): Finding {
  switch (facts.type) {
    case 'file':
    case 'directory':
      return diagnoseFile(tree, facts, open, readMounts(tree));
    case 'block':
      return blockFinding(facts, tree);
    case 'char':
      return characterFinding(facts, tree);
    case 'other':
      return notMemory('Neither a file nor a device: a pipe or socket has no memory to map.');
  }
}

function blockFinding(facts: PathFacts, tree: SystemTree): Finding {
  const device = blockNumbered(tree, facts.rdevno);
  if (device !== undefined) return diagnoseBlock(tree, device, readMounts(tree));
  const finding = notMemory('The node is there, but the kernel has no block device of this number.');
  return {
    ...finding,
    evidence: [{ source: `/sys/dev/block/${facts.rdevno}`, value: 'absent', meaning: 'no such device' }],
  };
}

function characterFinding(facts: PathFacts, tree: SystemTree): Finding {
  const device = devdaxNumbered(tree, facts.rdevno);
  if (device !== undefined) return diagnoseDevdax(device, tree);
  const finding = notMemory('A character device, but not a devdax one.');
  const source = `/sys/dev/char/${facts.rdevno}/subsystem`;
  const value = tree.resolve(source)?.split('/').at(-1) ?? 'absent';
  return { ...finding, evidence: [{ source, value, meaning: 'the subsystem of a devdax device is dax' }] };
}

function notMemory(verdict: string): Finding {
  return { kind: 'other', isDax: false, granularity: undefined, verdict, evidence: [] };
}

// Containers and minimal systems have devices in sysfs without their nodes in /dev.
function withoutNode(path: string, tree: SystemTree): Report | undefined {
  const name = /^\/dev\/(dax\d+\.\d+)$/.exec(path)?.[1];
  const device = name === undefined ? undefined : devdaxNamed(tree, name);
  if (device === undefined || name === undefined) return undefined;
  const finding = withPersistence(persistenceOfDevdax(tree, device), diagnoseDevdax(device, tree));
  if (finding.isDax !== true) return { path, ...finding };
  const dev = `/sys/bus/dax/devices/${name}/dev`;
  const devno = tree.text(dev) ?? '';
  return {
    ...finding,
    path,
    isDax: false,
    granularity: undefined,
    verdict: 'The kernel has this devdax device, but /dev has no node for it.',
    evidence: [{ source: dev, value: devno, meaning: 'the number of the missing node' }, ...finding.evidence],
    fix: `mknod ${path} c ${devno.replace(':', ' ')}`,
  };
}

function withPermission(tree: SystemTree, facts: PathFacts, finding: Omit<Report, 'path'>): Omit<Report, 'path'> {
  if ((facts.readable && facts.writable) || facts.type === 'directory' || finding.kind === 'other') return finding;
  const may = facts.readable
    ? 'read it and not write it'
    : facts.writable
      ? 'write it and not read it'
      : 'neither read nor write it';
  const evidence = [
    ...finding.evidence,
    { source: 'access', value: facts.readable ? 'r' : '-', meaning: `this user may ${may}` },
  ];
  if (facts.readOnlyMount === true && facts.readable) {
    const mount = mountOf(readMounts(tree), facts.realPath, facts.devno);
    const fix = mount && `mount -o remount,rw ${quoted(mount.mountpoint)}`;
    return { ...finding, verdict: `${finding.verdict} Its filesystem is mounted read-only.`, evidence, ...fixOr(finding, fix) };
  }
  return {
    ...finding,
    verdict: `${finding.verdict} This user may ${may}.`,
    evidence,
    fix: finding.fix ?? `sudo chown $(id -u) ${quoted(facts.realPath)}`,
  };
}

function fixOr({ fix }: Pick<Finding, 'fix'>, other: string | undefined): { fix?: string } {
  const first = fix ?? other;
  return first === undefined ? {} : { fix: first };
}
