// Owns the superblock of a mounted filesystem: its state, its limits, and the switch to read-only when corruption is found.

import { DaxError, type BlockDevice, type SuperBlock } from 'node-dax';
import {
  EXT2_DYNAMIC_REV,
  EXT2_ERROR_FS,
  EXT2_NDIR_BLOCKS,
  EXT2_VALID_FS,
  GOOD_OLD_FIRST_INO,
  GOOD_OLD_INODE_SIZE,
  hasFlag,
  readSuperblock,
  SUPERBLOCK,
  SUPERBLOCK_POS,
  SUPERBLOCK_SIZE,
  withFlag,
  writeSuperblock,
  type Superblock,
} from '../format/disk.js';
import { corruption, fail, type ErrorLocation } from '../format/error.js';
import { geometryOf, type Geometry } from '../format/geometry.js';
import { Groups } from './groups.js';
import { InodeImage } from './inode-image.js';
import { sizeOf, type Field } from '../format/layout.js';
import { Medium } from './medium.js';
import { WriteBack } from './write-back.js';

/**
 * The user on whose behalf changes are made: the owner of new files, who may use the reserved blocks if the superblock permits it.
 */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface SuperOptions {
  readonly synchronous: boolean;
  readonly writeBack: boolean;
  readonly owner: Owner;
}

/** Seconds since 1970, as superblocks and i_dtime count them. */
export function nowSeconds(): number {
  // Floored last: V8 represents the remainder of a division by 2 ** 32 as a double, and i_dtime would change the shape of its
  // inode.
  return Math.floor((Date.now() / 1000) % 2 ** 32);
}

export class Super implements SuperBlock {
  readonly medium: Medium;
  readonly geometry: Geometry;
  readonly groups: Groups;
  readonly image: InodeImage;
  readonly fields: Superblock;
  readonly blockSize: number;
  /** Where files lie: `device`, or write-back to it. */
  readonly bdev: BlockDevice;
  readonly device: BlockDevice;
  readonly maxBytes: number;
  /** Whether nothing is stored: until `mount` has checked the filesystem, and again once corruption is found. */
  readOnly = true;
  synchronous: boolean;
  readonly owner: Owner;
  /** Whether the filesystem was clean when it was mounted. An unclean one may have leaks, and blocks past the end of files. */
  readonly wasClean: boolean;
  readonly #raw: Uint8Array;

  /** Reads and checks the superblock and the descriptors. */
  constructor(device: BlockDevice, options: SuperOptions) {
    this.#raw = loadSuperblock(device);
    this.fields = readSuperblock(this.#raw);
    this.geometry = geometryOf(this.fields, device.size);
    this.blockSize = this.geometry.blockSize;
    this.device = device;
    this.bdev = options.writeBack && device.granularity === 'page' ? new WriteBack(device) : device;
    this.medium = new Medium(this.bdev, this.geometry.blocksCount * this.blockSize, this);
    this.groups = new Groups(this.medium, this.fields, this.geometry);
    this.image = new InodeImage(this.medium, this.geometry.inodeSize);
    this.maxBytes = maxBytesOf(this.geometry, this.fields);
    this.synchronous = options.synchronous;
    this.owner = options.owner;
    this.wasClean = hasFlag(this.fields.s_state, EXT2_VALID_FS) && !hasFlag(this.fields.s_state, EXT2_ERROR_FS);
  }

  /** Whether all of its features permit this implementation to write. */
  get isWritable(): boolean {
    return this.geometry.unknownRoCompat === 0;
  }

  get isDynamic(): boolean {
    return this.fields.s_rev_level >= EXT2_DYNAMIC_REV;
  }

  /** Stores fields of the superblock, in order, each by a store of its own. */
  store(values: Partial<Superblock>): void {
    Object.assign(this.fields, values);
    writeSuperblock(values, this.#raw);
    for (const name of Object.keys(values)) {
      const field: Field = SUPERBLOCK[name as keyof Superblock];
      this.medium.store(SUPERBLOCK_POS + field[1], this.#raw.subarray(field[1], field[1] + sizeOf(field)));
    }
  }

  /** Makes durable what was stored, if its flushes were held back. */
  settle(): void {
    if (this.bdev instanceof WriteBack) this.bdev.settle();
  }

  /** Sets a feature flag, before the feature is first used. Revision 0 has no flags and becomes revision 1, as in Linux. */
  addFeature(set: 's_feature_compat' | 's_feature_ro_compat', flag: number): void {
    if (!this.isDynamic) this.#makeDynamic();
    if (!hasFlag(this.fields[set], flag)) this.store({ [set]: withFlag(this.fields[set], flag) });
  }

  // Fields without meaning in revision 0 get their values before the revision changes.
  #makeDynamic(): void {
    this.store({
      s_first_ino: GOOD_OLD_FIRST_INO,
      s_inode_size: GOOD_OLD_INODE_SIZE,
      s_feature_compat: 0,
      s_feature_incompat: 0,
      s_feature_ro_compat: 0,
      s_reserved_gdt_blocks: 0,
      s_rev_level: EXT2_DYNAMIC_REV,
    });
  }

  /**
   * The error for corruption. The filesystem becomes read-only and is marked on the medium as having errors: going on with wrong
   * tables would corrupt more of them.
   */
  corrupt(what: string, place: ErrorLocation): DaxError {
    const error = corruption(what, place);
    if (this.readOnly) return error;
    try {
      this.store({ s_state: withFlag(this.fields.s_state, EXT2_ERROR_FS) });
    } catch (cause) {
      if (!(cause instanceof DaxError)) throw cause;
      // The medium cannot be stored to, so it cannot be marked.
    }
    this.readOnly = true;
    return error;
  }

  /** Throws `EUCLEAN` if a pointer of inode `ino` cannot refer to the `count` blocks from `block` on. */
  checkData(block: number, count: number, ino: number): void {
    if (!this.groups.isData(block, count)) {
      const what = count === 1 ? 'is not for files' : `to ${block + count - 1} are not for files`;
      throw this.corrupt(`${what}, and a pointer leads there`, { ino, block });
    }
  }
}

function loadSuperblock(device: BlockDevice): Uint8Array<ArrayBuffer> {
  if (device.size < SUPERBLOCK_POS + SUPERBLOCK_SIZE) {
    fail('EINVAL', 'mount', `there is no ext2 filesystem here: the device has ${device.size} bytes`);
  }
  return new Medium(device, device.size).load(SUPERBLOCK_POS, SUPERBLOCK_SIZE);
}

// What three levels of pointers reach, limited by what i_blocks (32 bits, in units of 512 bytes) can count, pointer blocks
// included. Same formula as the kernel's (ext2_max_size), because a file that the kernel made can have exactly this size.
function maxBytesOf({ blockSize }: Geometry, { s_rev_level }: Superblock): number {
  // Revision 0 has no high half of i_size.
  if (s_rev_level < EXT2_DYNAMIC_REV) return 2 ** 31 - 1;
  const pointers = blockSize / 4;
  const direct = EXT2_NDIR_BLOCKS + pointers + pointers ** 2;
  const counted = Math.floor((2 ** 32 - 1) / (blockSize / 512));
  const triple = counted - direct;
  const indirect = 3 + pointers + Math.ceil(triple / pointers) + Math.ceil(triple / pointers ** 2);
  return Math.min(direct + pointers ** 3, counted - indirect) * blockSize;
}
