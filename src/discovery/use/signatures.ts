// Owns the table of signatures by which filesystems, partition tables, volumes and pools are recognised.

import { argumentError } from '../../argument-error.js';
import { types } from 'node:util';
import { SECTOR_SIZE } from '../../units.js';

/** Bytes from the start of a device that `signatureOf` looks at. */
export const SIGNATURE_LENGTH = 128 * 1024;

type Row = readonly [name: string, magic: string, ...offsets: number[]];

// Formats that libblkid does not know: pools of PMDK, info blocks of namespaces, famfs, NOVA, PMFS and some disk labels; and, for
// machines without util-linux, other formats that are likely on machines with persistent memory. A filesystem that leaves the boot
// sector of a disk in place stands before the partition table that the sector may hold.
const TABLE: readonly Row[] = [
  ['xfs', 'XFSB', 0],
  ['ext2, ext3 or ext4', '\x53\xef', 1080],
  ['btrfs', '_BHRfS_M', 0x10040],
  ['f2fs', '\x10\x20\xf5\xf2', 1024],
  ['erofs', '\xe2\xe1\xf5\xe0', 1024],
  ['squashfs', 'hsqs', 0],
  ['bcache', '\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81', 4120],
  ['bcachefs', '\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef', 4120],
  ['famfs', '\xff\x82\xb2\x87\0\0\0\0', 0],
  ['NOVA', 'AVON', 4],
  // A magic of two bytes proves little, so the size of a block after it is included: 4 KiB, 2 MiB or 1 GiB.
  ['PMFS', '\xfc\xef\0\x10\0\0', 2, 514],
  ['PMFS', '\xfc\xef\0\0\x20\0', 2, 514],
  ['PMFS', '\xfc\xef\0\0\0\x40', 2, 514],
  ['a log of node-dax', 'NDAXLOG\0', 0],
  ['iso9660', 'CD001', 32769],
  ['ntfs', 'NTFS    ', 3],
  ['exfat', 'EXFAT   ', 3],
  ['vfat', 'FAT32   ', 82],
  ['vfat', 'FAT16   ', 54],
  ['vfat', 'FAT12   ', 54],
  // The signature of swap space ends the first page, which has 4, 8, 16 or 64 KiB.
  ['swap', 'SWAPSPACE2', 4086, 8182, 16374, 65526],
  ['swap', 'SWAP-SPACE', 4086, 8182, 16374, 65526],
  ['LUKS', 'LUKS\xba\xbe', 0],
  ['LVM2', 'LABELONE', 0, 512, 1024, 1536],
  ['Linux RAID', '\xfc\x4e\x2b\xa9', 0, 4096],
  ['BTT (sector mode)', 'BTT_ARENA_INFO\0\0', 0, 4096],
  ['PFN (fsdax mode)', 'NVDIMM_PFN_INFO\0', 4096],
  ['DAX (devdax mode)', 'NVDIMM_DAX_INFO\0', 4096],
  ['libpmemobj pool', 'PMEMOBJ\0', 0],
  ['libpmemlog pool', 'PMEMLOG\0', 0],
  ['libpmemblk pool', 'PMEMBLK\0', 0],
  ['BSD disk label', 'WEV\x82', 64, 512],
  ['Amiga disk label', 'RDSK', ...Array.from({ length: 16 }, (_, sector) => sector * SECTOR_SIZE)],
  ['GPT', 'EFI PART', 512, 4096],
  ['MBR', '\x55\xaa', 510],
];

/**
 * Recognises what the first `SIGNATURE_LENGTH` bytes of a device belong to, and names it in words. Undefined if nothing is
 * recognised, which does not prove that the device is free: `contentOf` recognises much more. With fewer bytes it recognises less.
 */
export function signatureOf(bytes: Uint8Array): string | undefined {
  if (!types.isUint8Array(bytes)) throw argumentError('ERR_INVALID_ARG_TYPE', 'bytes must be a Uint8Array');
  return TABLE.find(([, magic, ...offsets]) => offsets.some((offset) => hasMagic(bytes, magic, offset)))?.[0];
}

function hasMagic(bytes: Uint8Array, magic: string, offset: number): boolean {
  for (let i = 0; i < magic.length; i++) if (bytes[offset + i] !== magic.charCodeAt(i)) return false;
  return true;
}
