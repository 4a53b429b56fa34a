// Owns images of what a device may carry, each made by its own tool, and the reason where that is missing.

import { spawnSync } from 'node:child_process';
import { closeSync, openSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';

const MIB = 1024 ** 2;

/** Something that a device may carry. */
export interface Carrier {
  readonly title: string;
  /** Why it cannot be made here. */
  readonly obstacle: string | undefined;
  /** What is said of it. */
  readonly signature: RegExp;
  /** Makes an image of at least a mebibyte at `path`, where nothing is. Throws what the tool says where it fails. */
  readonly make: (path: string) => void;
}

interface Recipe {
  readonly title?: string;
  readonly signature: RegExp;
  /** Debian's package of the program. */
  readonly package: string;
  readonly program: string;
  readonly args: (path: string) => string[];
  /** Bytes of the image that the program is given; without them it makes the image itself. */
  readonly size?: number;
  readonly input?: string;
  /** Bytes from the start that are lost afterwards. */
  readonly lost?: number;
}

function write(path: string, pos: number, bytes: Uint8Array): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, bytes, 0, bytes.length, pos);
  closeSync(fd);
}

function sparse(path: string, size: number): void {
  writeFileSync(path, '', { flag: 'a' });
  truncateSync(path, size);
}

function by({ title, signature, package: pack, program, args, size, input = '', lost = 0 }: Recipe): Carrier {
  return {
    title: title ?? program,
    signature,
    get obstacle() {
      const isMissing = spawnSync(program, ['--version'], { stdio: 'ignore' }).error !== undefined;
      return isMissing ? `${program} is not installed: apt-get install ${pack}` : undefined;
    },
    make: (path) => {
      if (size !== undefined) sparse(path, size);
      const { status, stdout, stderr } = spawnSync(program, args(path), { input, encoding: 'utf8' });
      if (status !== 0) throw new Error(`${program} ${args(path).join(' ')}: ${stderr}${stdout}`);
      if (lost > 0) write(path, 0, Buffer.alloc(lost));
      sparse(path, Math.max(MIB, statSync(path).size));
    },
  };
}

function filesystem(name: string, pack: string, mebibytes: number, program: string, ...options: string[]): Recipe {
  return { signature: new RegExp(`^${name}$`), package: pack, program, args: (path) => [...options, path], size: mebibytes * MIB };
}

/** Of a folder, by a program that makes the image itself. */
function archive(name: string, pack: string, program: string, args: Recipe['args']): Recipe {
  return { signature: new RegExp(`^${name}$`), package: pack, program, args };
}

function partitions(by: 'sfdisk' | 'parted', name: string): Recipe {
  const known = { title: `${by} ${name}`, signature: /^(?:a partition table \(\w+\)|GPT|MBR|BSD disk label|Amiga disk label)$/, program: by, size: 16 * MIB };
  if (by === 'sfdisk') return { ...known, package: 'fdisk', args: (path) => ['-q', path], input: `label: ${name}\n` };
  return { ...known, package: 'parted', args: (path) => ['-s', path, 'mklabel', name] };
}

function luks(version: string): Recipe {
  const options = ['luksFormat', '-q', '--type', version, '--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000'];
  const args = (path: string): string[] => [...options, path, '-'];
  return { title: `cryptsetup ${version}`, signature: /^LUKS$/, package: 'cryptsetup-bin', program: 'cryptsetup', args, size: 32 * MIB, input: 'secret' };
}

/** libblkid does not know them. */
function pool(kind: 'obj' | 'log' | 'blk', ...options: string[]): Recipe {
  const args = (path: string): string[] => ['create', '--size', '64M', kind, ...options, path];
  return { title: `pmempool ${kind}`, signature: new RegExp(`^libpmem${kind} pool$`), package: 'pmdk-tools', program: 'pmempool', args };
}

// mdadm takes nothing but block devices. The superblock of version 0.90 is in the last but one whole 64 KiB, that of 1.0 at least 8
// KiB before the end. libblkid accepts a superblock that names its version and, for 1.0, its position.
function md(version: '0.90' | '1.0', size: number): Carrier {
  const pos = version === '0.90' ? Math.floor(size / 65536) * 65536 - 65536 : Math.floor((size - 8192) / 4096) * 4096;
  const block = Buffer.alloc(4096);
  block.writeUInt32LE(0xa92b4efc, 0);
  if (version === '1.0') block.writeUInt32LE(1, 4);
  if (version === '1.0') block.writeBigUInt64LE(BigInt(pos / 512), 144);
  if (version === '0.90') block.writeUInt32LE(90, 8);
  return {
    title: `md ${version} on ${size} bytes`,
    obstacle: undefined,
    signature: /^linux_raid_member$/,
    make: (path) => {
      sparse(path, size);
      write(path, pos, block);
    },
  };
}

const nilfs2 = filesystem('nilfs2', 'nilfs-tools', 160, 'mkfs.nilfs2');
const folder = __dirname;

export const CARRIERS: readonly Carrier[] = [
  ...[
    filesystem('ext2, ext3 or ext4', 'e2fsprogs', 64, 'mkfs.ext2', '-q', '-F'),
    filesystem('ext2, ext3 or ext4', 'e2fsprogs', 64, 'mkfs.ext4', '-q', '-F', '-b', '4096'),
    filesystem('xfs', 'xfsprogs', 320, 'mkfs.xfs', '-q', '-f'),
    filesystem('btrfs', 'btrfs-progs', 160, 'mkfs.btrfs', '-q', '-f'),
    filesystem('f2fs', 'f2fs-tools', 64, 'mkfs.f2fs', '-q'),
    filesystem('vfat', 'dosfstools', 16, 'mkfs.vfat'),
    filesystem('exfat', 'exfatprogs', 16, 'mkfs.exfat'),
    filesystem('ntfs', 'ntfs-3g', 16, 'mkntfs', '-F', '-Q', '-q'),
    nilfs2,
    { ...nilfs2, title: 'mkfs.nilfs2, only its backup', lost: MIB },
    filesystem('jfs', 'jfsutils', 16, 'mkfs.jfs', '-q'),
    filesystem('reiserfs', 'reiserfsprogs', 64, 'mkreiserfs', '-q', '-ff'),
    filesystem('ocfs2', 'ocfs2-tools', 300, 'mkfs.ocfs2', '-F', '-x', '-q', '-M', 'local'),
    filesystem('gfs2', 'gfs2-utils', 160, 'mkfs.gfs2', '-q', '-O', '-j', '1', '-p', 'lock_nolock'),
    filesystem('udf', 'udftools', 16, 'mkudffs'),
    filesystem('minix', 'util-linux', 16, 'mkfs.minix'),
    { ...filesystem('minix', 'util-linux', 16, 'mkfs.minix', '-3'), title: 'mkfs.minix -3' },
    filesystem('bfs', 'util-linux', 16, 'mkfs.bfs'),
    filesystem('hfs', 'hfsutils', 16, 'hformat'),
    archive('cramfs', 'util-linux', 'mkfs.cramfs', (path) => [folder, path]),
    archive('squashfs', 'squashfs-tools', 'mksquashfs', (path) => [folder, path, '-noappend', '-quiet']),
    archive('erofs', 'erofs-utils', 'mkfs.erofs', (path) => [path, folder]),
    archive('DM_verity_hash', 'cryptsetup-bin', 'veritysetup', (path) => ['format', __filename, path]),
    luks('luks1'),
    luks('luks2'),
    { ...luks('luks2'), title: 'cryptsetup luks2, only its second header', signature: /^crypto_LUKS$/, lost: 4096 },
    filesystem('bcache', 'bcache-tools', 16, 'make-bcache', '-B'),
    filesystem('swap', 'util-linux', 16, 'mkswap', '-q'),
    { ...filesystem('swap', 'util-linux', 16, 'mkswap', '-q', '-p', '32768'), title: 'mkswap of 32 KiB pages' },
    pool('obj'),
    pool('log'),
    pool('blk', '512'),
    ...['sun', 'sgi', 'dos', 'gpt'].map((name) => partitions('sfdisk', name)),
    ...['mac', 'bsd', 'amiga'].map((name) => partitions('parted', name)),
  ].map(by),
  md('0.90', 16 * MIB),
  md('0.90', 16 * MIB + 60 * 1024),
  md('1.0', 16 * MIB),
];
