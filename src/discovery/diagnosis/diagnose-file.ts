// Owns the diagnosis of files and directories: the filesystem, its device, its block size, its dax option, the file.

import { type BlockDevice, blockNumbered, isPartition } from '../devices/block.js';
import { daxFlag, remount, standsOnAsynchronous, whyNotCapable } from './diagnose-block.js';
import type { Evidence } from '../evidence.js';
import { misplacement } from './page-edges.js';
import type { PathFacts } from '../system/look.js';
import { daxOption, defaultDaxOption, type Mount, mountOf, MOUNTINFO } from '../system/mounts.js';
import type { OpenFacts } from '../system/open-facts.js';
import { domainUnder, pmemUnder } from '../devices/pmem.js';
import { domainEvidence, type Finding, granularityOf, quoted, sized } from './report.js';
import type { SystemTree } from '../system/system-tree.js';
import { PAGE_SIZE } from '../../units.js';

const NO_DAX_FILESYSTEMS: Readonly<Record<string, string>> = {
  tmpfs: 'tmpfs keeps files in the page cache and nowhere else.',
  ramfs: 'ramfs keeps files in the page cache and nowhere else.',
  devtmpfs: 'devtmpfs keeps files in the page cache and nowhere else.',
  hugetlbfs: 'hugetlbfs keeps files in ordinary memory.',
  overlay: 'An overlay refuses MAP_SYNC, even above a DAX filesystem. Use the directory underneath.',
  '9p': 'The data of a 9p filesystem is at the host; this machine has a page cache of it.',
  nfs: 'The data of NFS is at the server; this machine has a page cache of it.',
  nfs4: 'The data of NFS is at the server; this machine has a page cache of it.',
  cifs: 'The data of SMB is at the server; this machine has a page cache of it.',
  virtiofs: 'The data of virtiofs is at the host; without its dax option this machine has a page cache of it.',
};

// Filesystems whose files have no stored content: the kernel makes it when it is read.
const MADE_WHEN_READ: readonly string[] = [
  ...['proc', 'sysfs', 'debugfs', 'tracefs', 'securityfs', 'configfs', 'cgroup', 'cgroup2', 'bpf', 'pstore', 'efivarfs'],
  ...['selinuxfs', 'smackfs', 'binfmt_misc', 'fusectl', 'nsfs', 'pidfs'],
];

const DAX_FILESYSTEMS: readonly string[] = ['ext2', 'ext4', 'xfs', 'erofs', 'virtiofs'];

/** The diagnosis of a file or directory; for a directory, of the files in it. */
export function diagnoseFile(tree: SystemTree, facts: PathFacts, open: OpenFacts, mounts: readonly Mount[]): Finding {
  const mount = mountOf(mounts, facts.realPath, facts.devno);
  const block = mount && blockNumbered(tree, mount.devno);
  const evidence: Evidence[] = [];
  if (mount !== undefined && MADE_WHEN_READ.includes(mount.fstype)) return madeWhenRead(mount);
  if (mount !== undefined) evidence.push(mountEvidence(mount));
  if (block !== undefined) evidence.push(daxFlag(block));
  const found = { tree, facts, open, mounts, mount, block, evidence };
  const finding = notDax(found) ?? direct(found);
  return facts.type === 'file' && facts.size === 0 ? emptyFile(facts, finding) : finding;
}

function madeWhenRead(mount: Mount): Finding {
  const verdict = `The files of ${mount.fstype} are made when they are read: there is no memory to map.`;
  return { kind: 'other', isDax: false, granularity: undefined, verdict, evidence: [mountEvidence(mount)] };
}

interface Found {
  tree: SystemTree;
  facts: PathFacts;
  open: OpenFacts;
  mounts: readonly Mount[];
  mount: Mount | undefined;
  block: BlockDevice | undefined;
  evidence: Evidence[];
}

function notDax(found: Found): Finding | undefined {
  const { tree, facts, open, mount, block, evidence } = found;
  if (open.statxDax === true) return undefined;
  const refuse = (verdict: string, fix?: string): Finding => {
    const kind = facts.type === 'directory' ? 'directory' : 'file';
    return { kind, isDax: false, granularity: 'page', verdict, evidence, ...(fix === undefined ? {} : { fix }) };
  };
  if (mount === undefined) return refuse('No mount of this process has the path, so its filesystem is not known.');

  const { fstype } = mount;
  const option = daxOption(mount);
  if (block === undefined && option === undefined) {
    return refuse(NO_DAX_FILESYSTEMS[fstype] ?? withoutDax(fstype), copyElsewhere(found));
  }
  if (!DAX_FILESYSTEMS.includes(fstype)) return refuse(withoutDax(fstype), copyElsewhere(found));

  const obstacle = block && whyNotCapable(tree, block);
  if (obstacle !== undefined) {
    evidence.push(...obstacle.evidence);
    const on = `The device under ${mount.mountpoint} cannot do DAX.`;
    const fix =
      obstacle.fix === undefined ? copyElsewhere(found) : `umount ${quoted(mount.mountpoint)} && ${obstacle.fix}`;
    return refuse(`${on} ${obstacle.reason}`, fix);
  }
  if (facts.blockSize !== PAGE_SIZE && block !== undefined) {
    evidence.push({
      source: 'statfs',
      value: `${facts.blockSize}`,
      meaning: 'bytes in a block; DAX needs whole pages',
    });
    return refuse(
      `The filesystem has blocks of ${sized(facts.blockSize)}; DAX needs the page size, ${sized(PAGE_SIZE)}. ` +
        'The command makes the filesystem anew and erases its data.',
      remake(mount),
    );
  }
  if (block !== undefined && isJournalled(tree, mount, block)) {
    evidence.push({ source: 'ext4', value: 'data=journal', meaning: 'no file is DAX' });
    return refuse(...journalled(mount));
  }
  if (option === 'never' || (option === undefined && defaultDaxOption(fstype) === 'never')) {
    const how = option === 'never' ? 'with dax=never' : 'without -o dax';
    return refuse(`The device can do DAX, but the filesystem is mounted ${how}.${reflinkNote(mount, block)}`, remountFor(facts, mount, block));
  }
  if (open.statxDax === false) return refuse(...thisFileIsNot(facts, mount, option ?? 'inode'));
  return undefined;
}

// The kernel refuses dax=always for an xfs with reflink on a partition, and serves its files with the attribute. mkfs.xfs enables
// reflink unless told otherwise, and only the kernel that has the filesystem mounted knows whether it is enabled.
function mayShare(mount: Mount, block: BlockDevice | undefined): boolean {
  return mount.fstype === 'xfs' && block !== undefined && isPartition(block);
}

function reflinkNote(mount: Mount, block: BlockDevice | undefined): string {
  return mayShare(mount, block) ? ' An xfs with reflink on a partition is not mounted with dax=always, but with dax=inode.' : '';
}

function remountFor(facts: PathFacts, mount: Mount, block: BlockDevice | undefined): string {
  if (!mayShare(mount, block)) return remount(mount);
  const mountpoint = quoted(mount.mountpoint);
  return `umount ${mountpoint} && mount -o dax=inode ${quoted(mount.source)} ${mountpoint} && ${attribute(facts, mount)}`;
}

// data=journal comes from the mount options, or is a default set by tune2fs, which only this file of /proc shows.
function isJournalled(tree: SystemTree, mount: Mount, block: BlockDevice): boolean {
  if (mount.fstype !== 'ext4') return false;
  return mount.options.includes('data=journal') || /^data=journal$/m.test(tree.text(`/proc/fs/ext4/${block.name}/options`) ?? '');
}

function journalled(mount: Mount): [verdict: string, fix: string] {
  const mountpoint = quoted(mount.mountpoint);
  return [
    'The device can do DAX, but the filesystem is mounted with data=journal, and then ext4 serves no file by DAX, whatever its ' +
      'attribute. The command mounts it with data=ordered, the default.',
    `umount ${mountpoint} && mount -o data=ordered,dax=always ${quoted(mount.source)} ${mountpoint}`,
  ];
}

function withoutDax(fstype: string): string {
  const fuse = /^fuse(\.|blk|$)/.test(fstype);
  return fuse
    ? 'A program serves this FUSE filesystem, and the kernel does no DAX for it.'
    : `The filesystem ${fstype} has no DAX.`;
}

function thisFileIsNot(facts: PathFacts, mount: Mount, option: string): [verdict: string, fix?: string] {
  if (option === 'always') {
    return [
      'The filesystem is mounted with DAX, but the kernel does not serve this file by it: encrypted files, files ' +
        'with verity, with inline data or with a data journal are left out.',
    ];
  }
  return [
    'The filesystem serves by DAX the files with the DAX attribute, and this one does not have it.',
    attribute(facts, mount),
  ];
}

function direct(found: Found): Finding {
  const { tree, facts, open, mount, block, evidence } = found;
  const option = mount && (daxOption(mount) ?? defaultDaxOption(mount.fstype));
  const isDax = open.statxDax ?? (option === 'always' ? true : undefined);
  const kind = facts.type === 'directory' ? 'directory' : isDax === true ? 'fsdax' : 'file';
  const synchronous = open.mapSync ?? (block !== undefined && !standsOnAsynchronous(tree, block));
  const domain = block === undefined ? 'unknown' : domainUnder(tree, block);
  if (block !== undefined) evidence.push(...domainsOf(tree, block));
  const files = facts.type === 'directory' ? 'Files here are DAX' : 'The file is DAX';
  const granularity = isDax === true && synchronous ? granularityOf(domain) : 'page';

  if (isDax === undefined && mount !== undefined) {
    return {
      kind,
      isDax,
      granularity,
      verdict:
        'The device can do DAX, and the filesystem does it for files with the DAX attribute (dax=inode' +
        `${daxOption(mount) === undefined ? ', the default' : ''}). Whether a file has it is known once it is open.${reflinkNote(mount, block)}`,
      evidence,
      fix: daxOption(mount) === undefined && !mayShare(mount, block) ? remount(mount) : attribute(facts, mount),
    };
  }
  const wrong = block && misplacement(tree, block);
  if (wrong !== undefined) evidence.push(wrong);
  const verdict = synchronous
    ? `${files}: loads and stores reach the memory directly, and a mapping with MAP_SYNC needs no fsync.`
    : `${files}: loads and stores reach the memory directly, but the kernel refuses MAP_SYNC ` +
      `on ${asynchronous(block)}, so a write is durable only after fsync or msync.`;
  return { kind, isDax, granularity, verdict: wrong === undefined ? verdict : `${verdict} ${MISPLACED}`, evidence };
}

const MISPLACED =
  'Beware: the device under it begins within a page, so what is written here is not what is read once it is mounted without DAX. ' +
  'Copy the files, and make the device anew from a multiple of 8 sectors on.';

function asynchronous(block: BlockDevice | undefined): string {
  return block === undefined ? 'a filesystem of the host' : 'virtio-pmem (the host flushes its file when asked)';
}

function emptyFile(facts: PathFacts, finding: Finding): Finding {
  const evidence = [...finding.evidence, { source: 'stat', value: '0', meaning: 'bytes: there is nothing to map' }];
  const verdict = `${finding.verdict} The file is empty: give it a size first.`;
  const fix = finding.isDax === true ? `fallocate -l 64M ${quoted(facts.realPath)}` : finding.fix;
  return { ...finding, verdict, evidence, ...(fix === undefined ? {} : { fix }) };
}

/** `xfs_io` sets the attribute on ext4 as well; on a directory, new files inherit it. */
function attribute(facts: PathFacts, mount: Mount): string {
  return `xfs_io ${mount.fstype === 'xfs' ? '' : '-f '}-c 'chattr +x' ${quoted(facts.realPath)}`;
}

function remake(mount: Mount): string {
  const force = mount.fstype === 'xfs' ? '-f -b size=4096' : '-F -b 4096';
  return `umount ${quoted(mount.mountpoint)} && mkfs.${mount.fstype} ${force} ${quoted(mount.source)}`;
}

// If the place of the file can never be DAX: the command that copies the file to a mount that is.
function copyElsewhere({ tree, facts, mounts }: Found): string | undefined {
  if (facts.type === 'directory') return undefined;
  const there = mounts.find((mount) => {
    const block = daxOption(mount) === 'always' ? blockNumbered(tree, mount.devno) : undefined;
    return block?.dax === true && !standsOnAsynchronous(tree, block);
  });
  return there && `cp ${quoted(facts.realPath)} ${quoted(`${there.mountpoint}/`)}`;
}

function mountEvidence(mount: Mount): Evidence {
  const option = daxOption(mount);
  const value = `${mount.source} ${mount.mountpoint} ${mount.fstype}${option === undefined ? '' : ` dax=${option}`}`;
  if (option === 'always') return { source: MOUNTINFO, value, meaning: 'mounted with DAX for every file' };
  if (option === 'inode') return { source: MOUNTINFO, value, meaning: 'mounted with DAX for files with the attribute' };
  if (!DAX_FILESYSTEMS.includes(mount.fstype)) return { source: MOUNTINFO, value, meaning: 'a filesystem without DAX' };
  return {
    source: MOUNTINFO,
    value,
    meaning: option === 'never' ? 'mounted with DAX off' : 'mounted with no dax option',
  };
}

function domainsOf(tree: SystemTree, block: BlockDevice): Evidence[] {
  const regions = pmemUnder(tree, block).flatMap((pmem) => pmem?.region ?? []);
  return regions.flatMap(domainEvidence);
}
