// Owns the diagnosis of devdax character devices.

import type { DevdaxInfo } from '../device-info.js';
import type { Evidence } from '../evidence.js';
import { domainEvidence, type Finding, granularityOf, sized } from './report.js';
import type { SystemTree } from '../system/system-tree.js';
import { lacksHugePages, leaveFamfs } from './unmappable.js';
import { PAGE_SIZE } from '../../units.js';

export function diagnoseDevdax(device: DevdaxInfo, tree: SystemTree): Finding {
  if (device.size === 0) return seed(device);
  if (device.mode === 'system-ram') return systemRam(device);
  if (device.mode === 'famfs') return famfs(device);
  if (device.state === 'disabled') return disabled(device);
  if ((device.align ?? 0) > PAGE_SIZE && lacksHugePages(tree)) return withoutHugePages(device);
  return {
    kind: 'devdax',
    isDax: true,
    granularity: granularityOf(device.persistenceDomain),
    verdict:
      `A devdax device of ${sized(device.size)}: loads and stores reach its memory directly.${alignmentNote(device.align)}`,
    evidence: [driver(device, 'device_dax', 'the character device can be mapped'), alignment(device), ...domain(device)],
  };
}

function systemRam(device: DevdaxInfo): Finding {
  return {
    kind: 'devdax',
    isDax: false,
    granularity: undefined,
    verdict:
      'In mode system-ram: the kernel uses this memory as ordinary RAM, and the character device cannot be opened. ' +
      'Taking the memory offline can fail while programs use it.',
    evidence: [driver(device, 'kmem', 'the memory belongs to the page allocator')],
    fix: `daxctl reconfigure-device --force --mode=devdax ${device.chardev}`,
  };
}

function famfs(device: DevdaxInfo): Finding {
  return {
    kind: 'devdax',
    isDax: false,
    granularity: undefined,
    verdict: 'In famfs mode: the memory is for a filesystem of the kernel, and programs cannot map the character device.',
    evidence: [driver(device, 'fsdev_dax', 'the character device refuses mmap')],
    fix: leaveFamfs(device),
  };
}

function withoutHugePages(device: DevdaxInfo): Finding {
  return {
    kind: 'devdax',
    isDax: false,
    granularity: undefined,
    verdict:
      'Not for this process: transparent huge pages are disabled for it (PR_SET_THP_DISABLE, which children inherit), and ' +
      'no page of the device can be mapped without them. Start it without that, or have a namespace aligned to 4 KiB.',
    evidence: [
      driver(device, 'device_dax', 'the character device can be mapped'),
      alignment(device),
      { source: '/proc/self/status', value: 'THP_enabled: 0', meaning: 'this process gets no large pages' },
    ],
  };
}

// The diagnosis of a seed, a device of size 0. Devices are made from the free memory of its region, if any is left.
function seed({ chardev, daxregion: { id, availableSize = 0 } }: DevdaxInfo): Finding {
  const free = availableSize > 0;
  return {
    kind: 'devdax',
    isDax: false,
    granularity: undefined,
    verdict: `A devdax device without memory: a seed of its region, which has ${free ? `${sized(availableSize)} free to make a device of` : 'none free'}.`,
    evidence: [{ source: `/sys/bus/dax/devices/${chardev}/size`, value: '0', meaning: 'bytes: there is nothing to map' }],
    ...(free && id !== undefined && { fix: `daxctl create-device -r ${id}` }),
  };
}

function disabled(device: DevdaxInfo): Finding {
  return {
    kind: 'devdax',
    isDax: false,
    granularity: undefined,
    verdict: 'No driver is bound to this device: it exists, and cannot be opened.',
    evidence: [driver(device, 'absent', 'the device is disabled')],
    fix: `daxctl enable-device ${device.chardev}`,
  };
}

function alignmentNote(align: number | undefined): string {
  if (align === undefined || align <= PAGE_SIZE) return '';
  return ` Offsets and lengths of its mappings are multiples of ${sized(align)}.`;
}

function driver(device: DevdaxInfo, value: string, meaning: string): Evidence {
  return { source: `/sys/bus/dax/devices/${device.chardev}/driver`, value, meaning };
}

function alignment(device: DevdaxInfo): Evidence {
  const small = device.align !== undefined && device.align <= PAGE_SIZE;
  return {
    source: `/sys/bus/dax/devices/${device.chardev}/align`,
    value: String(device.align ?? 'unreadable'),
    meaning: small ? 'any page can be mapped; large pages are not used' : 'mapped in pages of this size',
  };
}

// Without a region, or an attribute of the region for it, the platform names no persistence domain.
function domain({ region }: DevdaxInfo): Evidence[] {
  return region === undefined ? [] : domainEvidence(region);
}
