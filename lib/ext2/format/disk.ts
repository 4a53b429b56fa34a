// Owns the on-disk format: every structure of ext2 with its fields, flags and limits. Names are those of the published format ("The
// Second Extended File System", e2fsprogs). All numbers are little-endian.

import { decode, encode, fields, type Decoded } from './layout.js';

/** Byte offset of the superblock on the device, for every block size. */
export const SUPERBLOCK_POS = 1024;
export const SUPERBLOCK_SIZE = 1024;

export const EXT2_MAGIC = 0xef53;

/** s_rev_level. The original format has inodes of 128 bytes, 11 as its first inode, and no feature flags. */
export const EXT2_GOOD_OLD_REV = 0;
export const EXT2_DYNAMIC_REV = 1;
export const GOOD_OLD_INODE_SIZE = 128;
export const GOOD_OLD_FIRST_INO = 11;

/** s_state. */
export const EXT2_VALID_FS = 0x0001;
export const EXT2_ERROR_FS = 0x0002;

export const EXT2_BAD_INO = 1;
export const EXT2_ROOT_INO = 2;
export const EXT2_RESIZE_INO = 7;
export const EXT2_JOURNAL_INO = 8;

/** s_creator_os of GNU/Hurd, whose inodes have a passive translator in i_osd1: one block, which i_blocks counts. */
export const CREATOR_HURD = 1;

/** s_feature_compat: an implementation that does not know them may still read and write. */
export const COMPAT = {
  DIR_PREALLOC: 0x0001,
  IMAGIC_INODES: 0x0002,
  HAS_JOURNAL: 0x0004,
  EXT_ATTR: 0x0008,
  RESIZE_INODE: 0x0010,
  DIR_INDEX: 0x0020,
  SPARSE_SUPER2: 0x0200,
  FAST_COMMIT: 0x0400,
  STABLE_INODES: 0x0800,
  ORPHAN_FILE: 0x1000,
} as const;

/** s_feature_ro_compat: an implementation that does not know them may only read. */
export const RO_COMPAT = {
  SPARSE_SUPER: 0x0001,
  LARGE_FILE: 0x0002,
  BTREE_DIR: 0x0004,
  DIR_NLINK: 0x0020,
  EXTRA_ISIZE: 0x0040,
} as const;

/** s_feature_incompat: an implementation that does not know them must not mount. */
export const INCOMPAT = {
  FILETYPE: 0x0002,
} as const;

/** All of s_feature_ro_compat with which this implementation can write. */
export const KNOWN_RO_COMPAT =
  RO_COMPAT.SPARSE_SUPER + RO_COMPAT.LARGE_FILE + RO_COMPAT.BTREE_DIR + RO_COMPAT.DIR_NLINK + RO_COMPAT.EXTRA_ISIZE;
/** All of s_feature_incompat that this implementation knows. */
export const KNOWN_INCOMPAT = INCOMPAT.FILETYPE;

/** All of s_feature_compat that a check accepts without further knowledge, because e2fsck does too. */
export const CHECKED_COMPAT =
  COMPAT.DIR_PREALLOC + COMPAT.IMAGIC_INODES + COMPAT.HAS_JOURNAL + COMPAT.EXT_ATTR + COMPAT.RESIZE_INODE + COMPAT.DIR_INDEX +
  COMPAT.SPARSE_SUPER2 + COMPAT.FAST_COMMIT + COMPAT.STABLE_INODES + COMPAT.ORPHAN_FILE;

/** Whether `flags` (32 bits) contains all bits of `flag`. */
export function hasFlag(flags: number, flag: number): boolean {
  // eslint-disable-next-line no-bitwise -- flags
  return (flags & flag) === (flag | 0);
}

/** `flags` with all bits of `flag` set, or cleared if `isSet` is false. */
export function withFlag(flags: number, flag: number, isSet = true): number {
  // eslint-disable-next-line no-bitwise -- flags
  return (isSet ? flags | flag : flags & ~flag) >>> 0;
}

/** The flags of `flags` that are not in `known`. */
export function unknownFlags(flags: number, known: number): number {
  return withFlag(flags, known, false);
}

export const SUPERBLOCK = fields({
  s_inodes_count: ['u32', 0],
  s_blocks_count: ['u32', 4],
  s_r_blocks_count: ['u32', 8],
  s_free_blocks_count: ['u32', 12],
  s_free_inodes_count: ['u32', 16],
  s_first_data_block: ['u32', 20],
  s_log_block_size: ['u32', 24],
  s_log_frag_size: ['u32', 28],
  s_blocks_per_group: ['u32', 32],
  s_frags_per_group: ['u32', 36],
  s_inodes_per_group: ['u32', 40],
  s_mtime: ['u32', 44],
  s_wtime: ['u32', 48],
  s_mnt_count: ['u16', 52],
  s_max_mnt_count: ['i16', 54],
  s_magic: ['u16', 56],
  s_state: ['u16', 58],
  s_errors: ['u16', 60],
  s_minor_rev_level: ['u16', 62],
  s_lastcheck: ['u32', 64],
  s_checkinterval: ['u32', 68],
  s_creator_os: ['u32', 72],
  s_rev_level: ['u32', 76],
  s_def_resuid: ['u16', 80],
  s_def_resgid: ['u16', 82],
  s_first_ino: ['u32', 84],
  s_inode_size: ['u16', 88],
  s_block_group_nr: ['u16', 90],
  s_feature_compat: ['u32', 92],
  s_feature_incompat: ['u32', 96],
  s_feature_ro_compat: ['u32', 100],
  s_uuid: ['bytes', 104, 16],
  s_volume_name: ['bytes', 120, 16],
  s_last_mounted: ['bytes', 136, 64],
  s_algorithm_usage_bitmap: ['u32', 200],
  s_prealloc_blocks: ['u8', 204],
  s_prealloc_dir_blocks: ['u8', 205],
  s_reserved_gdt_blocks: ['u16', 206],
  s_journal_uuid: ['bytes', 208, 16],
  s_journal_inum: ['u32', 224],
  s_journal_dev: ['u32', 228],
  s_last_orphan: ['u32', 232],
  s_hash_seed: ['u32s', 236, 4],
  s_def_hash_version: ['u8', 252],
  s_jnl_backup_type: ['u8', 253],
  s_desc_size: ['u16', 254],
  s_default_mount_opts: ['u32', 256],
  s_first_meta_bg: ['u32', 260],
  s_mkfs_time: ['u32', 264],
  s_jnl_blocks: ['u32s', 268, 17],
  s_min_extra_isize: ['u16', 348],
  s_want_extra_isize: ['u16', 350],
  s_flags: ['u32', 352],
  /** Blocks that statfs does not count: the tables, and those before the first data block. */
  s_overhead_blocks: ['u32', 584],
  s_backup_bgs: ['u32s', 588, 2],
  /** The inode of the orphan_file feature's file, which has no name. */
  s_orphan_file_inum: ['u32', 640],
});

export type Superblock = Decoded<typeof SUPERBLOCK>;

/** s_flags: how directory indexes hash names. */
export const S_FLAGS = { SIGNED_HASH: 0x0001, UNSIGNED_HASH: 0x0002 } as const;

export const GROUP_DESC_SIZE = 32;

export const GROUP_DESC = fields({
  bg_block_bitmap: ['u32', 0],
  bg_inode_bitmap: ['u32', 4],
  bg_inode_table: ['u32', 8],
  bg_free_blocks_count: ['u16', 12],
  bg_free_inodes_count: ['u16', 14],
  bg_used_dirs_count: ['u16', 16],
  bg_flags: ['u16', 18],
  bg_itable_unused: ['u16', 28],
});

/** bg_flags of the uninit_bg feature: none of the group's inodes, or none of its blocks, is in use. */
export const BG_INODE_UNINIT = 0x0001;
export const BG_BLOCK_UNINIT = 0x0002;

export type GroupDesc = Decoded<typeof GROUP_DESC>;

/** Pointers in an inode: 12 to blocks of the file, then one for each level of indirection. */
export const EXT2_N_BLOCKS = 15;
export const EXT2_NDIR_BLOCKS = 12;

/** i_flags. */
export const INODE_FLAGS = {
  SYNC: 0x00000008,
  IMMUTABLE: 0x00000010,
  APPEND: 0x00000020,
  NOATIME: 0x00000080,
  /**
   * The directory has a hashed index. An implementation that changes the directory without updating the index must clear the flag.
   */
  INDEX: 0x00001000,
  TOPDIR: 0x00020000,
} as const;

/**
 * The flags that users may change (EXT2_FL_USER_MODIFIABLE), by the type of the inode: only directories have DIRSYNC and TOPDIR,
 * and inodes that are neither files nor directories have only NODUMP and NOATIME.
 */
export const USER_FLAGS = { directory: 0x000380ff, regular: 0x000080ff, other: 0x000000c0 } as const;

/** The flags that a new inode takes over from its directory (EXT2_FL_INHERITED), by its type. */
export const INHERITED_FLAGS = { directory: 0x0001c6cf, regular: 0x0000c6cf, other: 0x000000c0 } as const;

/** The one of `masks` that is for inodes with `mode`. */
export function maskOf(masks: typeof USER_FLAGS | typeof INHERITED_FLAGS, mode: number): number {
  const type = typeOf(mode);
  return type === S_IFDIR ? masks.directory : type === S_IFREG ? masks.regular : masks.other;
}

/** Flags of later formats, in which i_block means something else. */
export const FOREIGN_INODE_FLAGS = { EXTENTS: 0x00080000, EA_INODE: 0x00200000, INLINE_DATA: 0x10000000 } as const;

/** The first 128 bytes of an inode; with Linux's version of `osd2`. */
export const INODE = fields({
  i_mode: ['u16', 0],
  i_uid: ['u16', 2],
  i_size: ['u32', 4],
  i_atime: ['i32', 8],
  i_ctime: ['i32', 12],
  i_mtime: ['i32', 16],
  i_dtime: ['u32', 20],
  i_gid: ['u16', 24],
  i_links_count: ['u16', 26],
  i_blocks: ['u32', 28],
  i_flags: ['u32', 32],
  i_osd1: ['u32', 36],
  i_block: ['u32s', 40, EXT2_N_BLOCKS],
  i_generation: ['u32', 100],
  i_file_acl: ['u32', 104],
  /** i_dir_acl in revision 0, and in anything but a regular file. */
  i_size_high: ['u32', 108],
  i_faddr: ['u32', 112],
  l_i_blocks_hi: ['u16', 116],
  l_i_file_acl_high: ['u16', 118],
  l_i_uid_high: ['u16', 120],
  l_i_gid_high: ['u16', 122],
});

/** The fields that follow in larger inodes, as far as `i_extra_isize` reaches. */
export const INODE_EXTRA = fields({
  i_extra_isize: ['u16', 128],
  i_checksum_hi: ['u16', 130],
  i_ctime_extra: ['u32', 132],
  i_mtime_extra: ['u32', 136],
  i_atime_extra: ['u32', 140],
  i_crtime: ['i32', 144],
  i_crtime_extra: ['u32', 148],
});

/** i_extra_isize of a new inode: up to and including i_projid, as mke2fs and Linux set it. */
export const WANT_EXTRA_ISIZE = 32;

export type RawInode = Decoded<typeof INODE>;

/** The types in i_mode. */
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

/** The type in a mode: one of the `S_IF…`, or another number in a corrupt inode. */
export function typeOf(mode: number): number {
  // eslint-disable-next-line no-bitwise -- the type in a mode
  return mode & S_IFMT;
}

/** A directory entry up to its name. It begins at a multiple of 4 and never crosses a block boundary. */
export const DIRENT = fields({
  inode: ['u32', 0],
  rec_len: ['u16', 4],
  name_len: ['u8', 6],
  /** Without the filetype feature, the high half of name_len. */
  file_type: ['u8', 7],
});

export const DIRENT_HEADER = 8;
export const EXT2_NAME_LEN = 255;

/** Bytes that an entry with a name of `nameLength` bytes occupies. */
export function direntLength(nameLength: number): number {
  return DIRENT_HEADER + Math.ceil(nameLength / 4) * 4;
}

/** file_type of an entry. */
export const FT = { UNKNOWN: 0, REG_FILE: 1, DIR: 2, CHRDEV: 3, BLKDEV: 4, FIFO: 5, SOCK: 6, SYMLINK: 7 } as const;

const FILE_TYPES: ReadonlyMap<number, number> = new Map([
  [S_IFREG, FT.REG_FILE],
  [S_IFDIR, FT.DIR],
  [S_IFCHR, FT.CHRDEV],
  [S_IFBLK, FT.BLKDEV],
  [S_IFIFO, FT.FIFO],
  [S_IFSOCK, FT.SOCK],
  [S_IFLNK, FT.SYMLINK],
]);

/** The file_type of an entry for an inode of mode `mode`. */
export function fileTypeOf(mode: number): number {
  return FILE_TYPES.get(typeOf(mode)) ?? FT.UNKNOWN;
}

/**
 * The maximum number of links of an inode, and that of a directory with the dir_nlink feature; a directory with more counts them as
 * 1.
 */
export const EXT2_LINK_MAX = 32000;
export const DIR_NLINK_MAX = 65000;

/** Targets of symbolic links that are shorter than this many bytes are in i_block. */
export const FAST_SYMLINK_LIMIT = EXT2_N_BLOCKS * 4;

/** Where the root of a directory's index begins: where the entries after `.` and `..` would be. */
export const DX_ROOT_INFO_AT = 24;

export const DX_INFO = fields({
  reserved_zero: ['u32', 0],
  hash_version: ['u8', 4],
  /** Bytes of this structure; the entries begin after it. */
  info_length: ['u8', 5],
  indirect_levels: ['u8', 6],
  unused_flags: ['u8', 7],
});

/** In place of the first entry's hash: how many entries there may be, and how many there are. */
export const DX_COUNTS = fields({ limit: ['u16', 0], count: ['u16', 2] });

/** An index entry: the block of the directory that holds the names from this hash on. */
export const DX_ENTRY = fields({ hash: ['u32', 0], block: ['u32', 4] });

export const XATTR_MAGIC = 0xea020000;
/** The maximum number of inodes that share one block of attributes. */
export const XATTR_REFCOUNT_MAX = 1024;

/** The header of a block of extended attributes (i_file_acl). In an inode, the header is only the magic. */
export const XATTR_HEADER = fields({
  h_magic: ['u32', 0],
  h_refcount: ['u32', 4],
  h_blocks: ['u32', 8],
  h_hash: ['u32', 12],
  h_checksum: ['u32', 16],
});

export const XATTR_HEADER_SIZE = 32;
export const XATTR_IBODY_HEADER_SIZE = 4;

/** An attribute up to its name. Four bytes of zeros end the list. Values lie at the end of the block or inode. */
export const XATTR_ENTRY = fields({
  e_name_len: ['u8', 0],
  e_name_index: ['u8', 1],
  /** Counts from the start of the block; in an inode, from the first entry. */
  e_value_offs: ['u16', 2],
  e_value_block: ['u32', 4],
  e_value_size: ['u32', 8],
  e_hash: ['u32', 12],
});

export const XATTR_ENTRY_SIZE = 16;

/** e_name_index of a file's own ACL, and of a directory's default ACL for what is created in it. */
export const ACL_ACCESS = 2;
export const ACL_DEFAULT = 3;

/** The name prefix that each e_name_index stands for. */
export const XATTR_PREFIXES: ReadonlyMap<number, string> = new Map([
  [1, 'user.'],
  [ACL_ACCESS, 'system.posix_acl_access'],
  [ACL_DEFAULT, 'system.posix_acl_default'],
  [4, 'trusted.'],
  [6, 'security.'],
  [7, 'system.'],
]);

/** Decodes the superblock from 1024 bytes that begin with it. */
export function readSuperblock(bytes: Uint8Array): Superblock {
  return decode(SUPERBLOCK, bytes);
}

/** Encodes fields of the superblock into 1024 bytes that begin with it. */
export function writeSuperblock(values: Partial<Superblock>, bytes: Uint8Array): void {
  encode(SUPERBLOCK, values, bytes);
}

/** Decodes the descriptor of group `group` from the table of descriptors. */
export function readGroupDesc(table: Uint8Array, group: number): GroupDesc {
  return decode(GROUP_DESC, table, group * GROUP_DESC_SIZE);
}

export function writeGroupDesc(values: Partial<GroupDesc>, table: Uint8Array, group: number): void {
  encode(GROUP_DESC, values, table, group * GROUP_DESC_SIZE);
}
