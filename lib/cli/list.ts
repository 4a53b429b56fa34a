// Owns the command `list`: it prints the persistent memory of this machine as a table or as JSON.

import { Command } from 'commander';
import { type DeviceInfo, list, type PersistentInfo, type RegionInfo } from 'node-dax';
import { toJson } from './json.js';
import { persistentInWords } from './persistent.js';
import { columns, humanSize } from './table.js';

const NOTHING = `This machine has no devdax device, no pmem device, no RAM disk and no DAX mount.
To try them without the hardware:
  node-dax vm -- COMMAND       runs COMMAND in a virtual machine that has one of each
  memmap=1G!4G                 on the kernel's command line makes 1 GiB of RAM at 4 GiB a /dev/pmem0`;

export function listCommand(): Command {
  return new Command('list')
    .description('Show the devdax devices, pmem devices, RAM disks and DAX mounts of this machine')
    .option('--json', 'print JSON, with the field names of `ndctl list` and `daxctl list`')
    .action(({ json }: { json?: true }) => {
      const devices = list();
      if (json === true) console.log(toJson(devices));
      else if (devices.length === 0) console.error(NOTHING);
      else
        console.log(
          columns(['KIND', 'PATH', 'SIZE', 'MODE', 'ALIGN', 'NODE', 'DAX', 'PERSISTENT', 'PERSISTENCE DOMAIN'], devices.map(row)),
        );
    });
}

function row(device: DeviceInfo): string[] {
  const size = device.size === undefined ? '-' : humanSize(device.size);
  switch (device.kind) {
    case 'devdax': {
      const { path, mode, state, align, numaNode, persistenceDomain } = device;
      const dax = mode === 'devdax' && state === 'enabled' ? 'yes' : 'no';
      return [
        'devdax',
        path,
        size,
        device.size === 0 ? 'seed' : state === 'disabled' ? state : mode,
        optionalSize(align),
        optional(numaNode),
        dax,
        kept(device, device.region),
        persistenceDomain,
      ];
    }
    case 'pmem': {
      const { path, mode, align, numaNode, dax, region, persistenceDomain } = device;
      const kind = region.provider === 'virtio-pmem' ? 'virtio-pmem' : 'pmem';
      return [
        kind,
        path,
        size,
        mode ?? '-',
        optionalSize(align),
        optional(numaNode),
        dax ? 'when mounted' : 'no',
        kept(device, region),
        persistenceDomain,
      ];
    }
    case 'brd':
      return ['brd', device.path, size, '-', '-', '-', device.dax ? 'when mounted' : 'no', kept(device), '-'];
    case 'mount':
      return ['mount', device.path, size, device.fstype, '-', '-', device.dax, kept(device), device.persistenceDomain];
  }
}

function kept({ persistent }: PersistentInfo, region?: RegionInfo): string {
  const word = persistentInWords(persistent);
  return persistent === false && region?.failedArm !== undefined ? `${word}: unarmed` : word;
}

function optional(value: number | undefined): string {
  return value === undefined ? '-' : String(value);
}

function optionalSize(bytes: number | undefined): string {
  return bytes === undefined ? '-' : humanSize(bytes);
}
