// Owns the description of a superblock that `ext2 info` and `ext2 mkfs` print.

import type { Superblock } from 'node-dax/ext2';
import { EXT2_ERROR_FS, EXT2_VALID_FS, hasFlag } from '../../../ext2/format/disk.js';
import { featureNames } from '../../../ext2/format/features.js';
import { humanSize } from '../../table.js';
import { shown } from '../../trees/names.js';
import { minuteInWords } from './times.js';

const UUID = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/;

function textOf(padded: Uint8Array): string {
  const end = padded.indexOf(0);
  return shown(end < 0 ? padded : padded.subarray(0, end));
}

function timeOf(seconds: number): string | undefined {
  return seconds === 0 ? undefined : new Date(seconds * 1000).toISOString();
}

/** The facts in a superblock, by name. */
export function describe(sb: Superblock) {
  const blockSize = 1024 * 2 ** sb.s_log_block_size;
  const state = hasFlag(sb.s_state, EXT2_ERROR_FS) ? 'has errors' : hasFlag(sb.s_state, EXT2_VALID_FS) ? 'clean' : 'not clean';
  return {
    label: textOf(sb.s_volume_name),
    uuid: Buffer.from(sb.s_uuid).toString('hex').replace(UUID, '$1-$2-$3-$4-$5'),
    revision: sb.s_rev_level,
    state,
    features: [
      ...featureNames('s_feature_compat', sb.s_feature_compat),
      ...featureNames('s_feature_incompat', sb.s_feature_incompat),
      ...featureNames('s_feature_ro_compat', sb.s_feature_ro_compat),
    ],
    blockSize,
    blocks: sb.s_blocks_count,
    freeBlocks: sb.s_free_blocks_count,
    reservedBlocks: sb.s_r_blocks_count,
    inodeSize: sb.s_rev_level === 0 ? 128 : sb.s_inode_size,
    inodes: sb.s_inodes_count,
    freeInodes: sb.s_free_inodes_count,
    groups: Math.ceil((sb.s_blocks_count - sb.s_first_data_block) / sb.s_blocks_per_group),
    blocksPerGroup: sb.s_blocks_per_group,
    inodesPerGroup: sb.s_inodes_per_group,
    created: timeOf(sb.s_mkfs_time),
    lastMounted: timeOf(sb.s_mtime),
    lastMountedOn: textOf(sb.s_last_mounted),
    lastWritten: timeOf(sb.s_wtime),
    lastChecked: timeOf(sb.s_lastcheck),
    mountCount: sb.s_mnt_count,
  };
}

function lines(rows: readonly (readonly [name: string, value: string])[]): string[] {
  return rows.map(([name, value]) => `${`${name}:`.padEnd(12)}${value}`);
}

/** Lines of text about the layout of a filesystem. */
export function layoutLines(sb: Superblock): string[] {
  const { label, uuid, features, revision, groups, blocksPerGroup, inodesPerGroup, ...told } = describe(sb);
  const { blockSize, blocks, freeBlocks, reservedBlocks, inodeSize, inodes, freeInodes } = told;
  return lines([
    ['label', label === '' ? '-' : label],
    ['uuid', uuid],
    ['size', `${humanSize(blocks * blockSize)}, ${humanSize(freeBlocks * blockSize)} free`],
    ['blocks', `${blocks} of ${blockSize} bytes; ${freeBlocks} free, ${reservedBlocks} of them for root alone`],
    ['inodes', `${inodes} of ${inodeSize} bytes; ${freeInodes} free`],
    ['groups', `${groups} of ${blocksPerGroup} blocks and ${inodesPerGroup} inodes`],
    ['features', features.length === 0 ? `none (revision ${revision})` : features.join(' ')],
  ]);
}

/** Lines of text about the state and the history of a filesystem. */
export function historyLines(sb: Superblock): string[] {
  const { state, created, lastMounted, lastMountedOn, lastWritten, lastChecked, mountCount } = describe(sb);
  const time = (iso: string | undefined): string => (iso === undefined ? 'never' : minuteInWords(Date.parse(iso)));
  const on = lastMountedOn === '' ? '' : ` on ${lastMountedOn}`;
  return lines([
    ['state', state],
    ['created', time(created)],
    ['mounted', `${time(lastMounted)}${on}`],
    ['written', time(lastWritten)],
    ['checked', `${time(lastChecked)}; mounted ${mountCount} times since`],
  ]);
}
