// Owns what sysfs says about namespaces that have a block device: pmem0, pmem1s, virtio-pmem.

import { basename, dirname } from 'node:path';
import { type BlockDevice, disksUnder, listDisks } from './block.js';
import type { PersistenceDomain, PmemInfo } from '../device-info.js';
import { badBlocks, regionAt } from './region.js'; // late
import { persistenceOfPmem } from './region-persistence.js';
import { parseInteger, type SystemTree } from '../system/system-tree.js';

const NULL_UUID = '00000000-0000-0000-0000-000000000000';

// The `mode` attribute of a namespace has older names than ndctl prints (libndctl's ndctl_namespace_get_mode).
const MODES: Readonly<Record<string, PmemInfo['mode']>> = {
  memory: 'fsdax',
  safe: 'sector',
  raw: 'raw',
  dax: 'devdax',
};

export function listPmem(tree: SystemTree): PmemInfo[] {
  return listDisks(tree)
    .map((disk) => pmemOf(tree, disk))
    .filter((pmem) => pmem !== undefined);
}

/** The namespace of a whole disk; undefined for a disk that is not an NVDIMM. */
export function pmemOf(tree: SystemTree, disk: BlockDevice): PmemInfo | undefined {
  // …/regionN/{namespace,pfn,btt}N.M/block/pmemN: pfn and btt are the devices that claimed the namespace to give it a mode.
  const owner = dirname(dirname(disk.dir));
  const regionDir = dirname(owner);
  const region = regionAt(tree, regionDir);
  if (region === undefined) return undefined;

  const persistence = persistenceOfPmem(region);
  const claimed = tree.text(`${owner}/namespace`);
  const claim = claimed === undefined ? undefined : basename(owner);
  const namespaceDir = claimed === undefined ? owner : `${regionDir}/${claimed}`;
  const mode = modeOf(claim, tree.text(`${namespaceDir}/mode`));
  const rawUuid = presentUuid(tree.text(`${namespaceDir}/uuid`));
  return {
    kind: 'pmem',
    path: `/dev/${disk.label}`,
    blockdev: disk.name,
    dev: basename(namespaceDir),
    size: disk.size,
    mode,
    map: mode === 'fsdax' ? mapOf(claim && tree.text(`${owner}/mode`)) : undefined,
    uuid: claim === undefined ? rawUuid : presentUuid(tree.text(`${owner}/uuid`)),
    rawUuid: claim === undefined ? undefined : rawUuid,
    sectorSize: chosen(tree.text(`${mode === 'sector' ? owner : namespaceDir}/sector_size`)) ?? 512,
    align: tree.number(`${owner}/align`),
    numaNode: tree.node(`${namespaceDir}/numa_node`),
    targetNode: tree.node(`${namespaceDir}/target_node`),
    resource: tree.number(`${owner}/resource`),
    badblocks: badBlocks(tree, disk.dir),
    holder: claim,
    dax: disk.dax,
    region,
    persistenceDomain: region.persistenceDomain,
    persistent: persistence.persistent,
    persistenceEvidence: persistence.evidence,
  };
}

/** The namespaces that a block device stands on; `undefined` for each disk under it that is not a namespace. */
export function pmemUnder(tree: SystemTree, device: BlockDevice): (PmemInfo | undefined)[] {
  return disksUnder(tree, device).map((disk) => pmemOf(tree, disk));
}

/** The persistence domain that a filesystem on a block device can count on: the weakest under it. */
export function domainUnder(tree: SystemTree, device: BlockDevice): PersistenceDomain {
  const domains = pmemUnder(tree, device).map((pmem) => pmem?.persistenceDomain ?? 'unknown');
  if (domains.length === 0 || domains.includes('unknown')) return 'unknown';
  return domains.includes('memory_controller') ? 'memory_controller' : 'cpu_cache';
}

function modeOf(claim: string | undefined, text: string | undefined): PmemInfo['mode'] {
  if (claim?.startsWith('btt') === true) return 'sector';
  if (claim?.startsWith('pfn') === true) return 'fsdax';
  return MODES[text ?? ''];
}

function mapOf(pfnMode: string | undefined): PmemInfo['map'] {
  return pfnMode === 'pmem' ? 'dev' : 'mem';
}

function presentUuid(uuid: string | undefined): string | undefined {
  return uuid === '' || uuid === NULL_UUID ? undefined : uuid;
}

/** The choice among the values of an attribute such as `512 [4096]`. */
function chosen(text: string | undefined): number | undefined {
  return parseInteger(/\[(\d+)\]/.exec(text ?? '')?.[1]);
}
