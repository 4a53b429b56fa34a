// Owns fake /sys and /proc trees: the layout of Linux 6.1 in a guest with NVDIMMs, virtio-pmem and brd.

import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { SystemTree } from '../../src/discovery/system/system-tree.js';

const NFIT = '/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0';
const VIRTIO = '/sys/devices/pci0000:00/0000:00:04.0/virtio1/ndbus1';

export interface FakeRegion {
  id: number;
  persistenceDomain?: string;
  virtio?: boolean;
  badblocks?: string;
}

export class FakeSystem {
  readonly tree: SystemTree;
  readonly #root: string;
  readonly #mounts: string[] = [];
  readonly #undo: (() => void)[] = [];

  constructor(root: string) {
    this.#root = root;
    this.tree = new SystemTree(root);
  }

  file(path: string, text: string | number): void {
    const full = join(this.#root, path);
    this.#directory(dirname(full));
    const before = existsSync(full) ? readFileSync(full) : undefined;
    this.#undo.push(before ? () => { writeFileSync(full, before); } : () => { rmSync(full); });
    writeFileSync(full, `${text}\n`);
  }

  files(dir: string, attributes: Readonly<Record<string, string | number>>): void {
    for (const [name, text] of Object.entries(attributes)) this.file(`${dir}/${name}`, text);
  }

  remove(path: string): void {
    const full = join(this.#root, path);
    const before = readFileSync(full);
    this.#undo.push(() => { writeFileSync(full, before); });
    rmSync(full);
  }

  link(path: string, target: string): void {
    const full = join(this.#root, path);
    this.#directory(dirname(full));
    this.#directory(join(this.#root, target));
    this.#undo.push(() => { rmSync(full); });
    symlinkSync(relative(dirname(full), join(this.#root, target)), full);
  }

  #directory(full: string): void {
    const first = mkdirSync(full, { recursive: true });
    if (first !== undefined) this.#undo.push(() => { rmSync(first, { recursive: true }); });
  }

  /** Gives a function that takes the tree back to what it is now. */
  mark(): () => void {
    const steps = this.#undo.length;
    const mounts = this.#mounts.length;
    return () => {
      for (const step of this.#undo.splice(steps).reverse()) step();
      this.#mounts.length = mounts;
    };
  }

  region({ id, persistenceDomain = 'memory_controller', virtio = false, badblocks = '' }: FakeRegion): string {
    const bus = virtio ? VIRTIO : NFIT;
    const dir = `${bus}/region${id}`;
    this.file(`${bus}/provider`, virtio ? 'virtio-pmem' : 'ACPI.NFIT');
    this.files(dir, {
      align: '0x1000000',
      badblocks,
      devtype: 'nd_pmem',
      max_available_extent: 0,
      nstype: 4,
      numa_node: virtio ? -1 : 0,
      read_only: 0,
      resource: `0x${(0x100000000 + id * 0x10000000).toString(16)}`,
      size: 268435456,
      target_node: 0,
    });
    // Without labels and without a promise about flushes, the kernel leaves these out.
    if (!virtio) this.files(dir, { available_size: 0, persistence_domain: persistenceDomain, deep_flush: 0 });
    return dir;
  }

  namespace(region: string, id: number, mode: string, virtio = false): string {
    const dir = `${region}/namespace${id}.0`;
    this.files(dir, {
      mode,
      numa_node: virtio ? -1 : 0,
      resource: `0x${(0x100000000 + id * 0x10000000).toString(16)}`,
      size: 268435456,
      target_node: 0,
    });
    if (!virtio) this.files(dir, { uuid: `00000000-aaaa-bbbb-cccc-00000000000${id}`, sector_size: '512 4096' });
    return dir;
  }

  devdax(region: FakeRegion, options: { align: number; driver?: string; minor: number }): string {
    const { id, virtio } = region;
    const dir = this.region(region);
    this.namespace(dir, id, 'dax', virtio);
    const claim = `${dir}/dax${id}.0`;
    const resource = 0x100600000 + id * 0x10000000;
    this.files(claim, {
      align: options.align,
      namespace: `namespace${id}.0`,
      uuid: `dddddddd-0000-0000-0000-00000000000${id}`,
    });
    this.files(`${claim}/dax_region`, { id, size: 262144000, align: options.align });
    const device = `${claim}/dax${id}.0`;
    this.files(device, {
      align: options.align,
      dev: `252:${options.minor}`,
      numa_node: 0,
      resource: `0x${resource.toString(16)}`,
      size: 262144000,
      target_node: 0,
    });
    this.files(`${device}/mapping0`, {
      start: `0x${resource.toString(16)}`,
      end: `0x${(resource + 262144000 - 1).toString(16)}`,
      page_offset: '0x0',
    });
    if (options.driver !== undefined) this.link(`${device}/driver`, `/sys/bus/dax/drivers/${options.driver}`);
    this.link(`/sys/bus/dax/devices/dax${id}.0`, device);
    return device;
  }

  block(dir: string, devno: string, attributes: { bytes: number; dax?: number; sectorSize?: number }): void {
    const name = dir.slice(dir.lastIndexOf('/') + 1);
    this.files(dir, { dev: devno, size: attributes.bytes / 512, badblocks: '' });
    this.files(`${dir}/queue`, { dax: attributes.dax ?? 0, logical_block_size: attributes.sectorSize ?? 512 });
    this.#directory(join(this.#root, dir, 'holders'));
    this.#directory(join(this.#root, dir, 'slaves'));
    this.link(`/sys/block/${name}`, dir);
    this.link(`/sys/class/block/${name}`, dir);
    this.link(`/sys/dev/block/${devno}`, dir);
  }

  partition(disk: string, name: string, devno: string, bytes: number): void {
    const dir = `${disk}/${name}`;
    this.files(dir, { dev: devno, size: bytes / 512, partition: 1, start: 2048 });
    this.link(`/sys/class/block/${name}`, dir);
    this.link(`/sys/dev/block/${devno}`, dir);
  }

  fsdax(region: FakeRegion, devno: string): string {
    const { id } = region;
    const dir = this.region(region);
    this.namespace(dir, id, 'memory');
    const claim = `${dir}/pfn${id}.0`;
    this.files(claim, {
      align: 2097152,
      mode: 'pmem',
      namespace: `namespace${id}.0`,
      resource: `0x${(0x100600000 + id * 0x10000000).toString(16)}`,
      size: 262144000,
      uuid: `eeeeeeee-0000-0000-0000-00000000000${id}`,
    });
    const block = `${claim}/block/pmem${id}`;
    this.block(block, devno, { bytes: 262144000, dax: 1 });
    return block;
  }

  raw(region: FakeRegion, devno: string): string {
    const namespace = this.namespace(this.region(region), region.id, 'raw');
    const block = `${namespace}/block/pmem${region.id}`;
    this.block(block, devno, { bytes: 268435456 });
    return block;
  }

  sector(region: FakeRegion, devno: string): string {
    const { id } = region;
    const dir = this.region(region);
    this.namespace(dir, id, 'safe');
    const claim = `${dir}/btt${id}.0`;
    this.files(claim, {
      namespace: `namespace${id}.0`,
      sector_size: '512 520 528 [4096] 4104 4160 4224',
      size: 267096064,
      uuid: `bbbbbbbb-0000-0000-0000-00000000000${id}`,
    });
    const block = `${claim}/block/pmem${id}s`;
    this.block(block, devno, { bytes: 267096064, sectorSize: 4096 });
    return block;
  }

  virtio(id: number, devno: string): string {
    const namespace = this.namespace(this.region({ id, virtio: true }), id, 'memory', true);
    const block = `${namespace}/block/pmem${id}`;
    this.block(block, devno, { bytes: 268435456, dax: 1 });
    return block;
  }

  /** A block device without hardware: ram0, loop0, zram0, dm-0; or of a disk that has its own bus. */
  virtualBlock(name: string, devno: string, attributes: { bytes: number; dax?: number }): string {
    const dir = `/sys/devices/virtual/block/${name}`;
    this.block(dir, devno, attributes);
    return dir;
  }

  /** A line of mountinfo: `devno root mountpoint options - fstype source superOptions`. */
  mount(line: string): void {
    const [devno = '', root = '', mountpoint = '', options = '', ...rest] = line.split(' ');
    this.#mounts.push(`${30 + this.#mounts.length} 29 ${devno} ${root} ${mountpoint} ${options} ${rest.join(' ')}`);
    this.file('/proc/self/mountinfo', this.#mounts.join('\n'));
  }
}
