// Owns the names of features, as e2fsprogs prints them, including features that ext2 does not have.

import { hasFlag } from './disk.js';

/** The superblock's feature fields. e2fsprogs prints an unnamed feature of a field as a number after the field's letter. */
const SETS = {
  s_feature_compat: {
    letter: 'C',
    names: [
      'dir_prealloc', 'imagic_inodes', 'has_journal', 'ext_attr', 'resize_inode', 'dir_index', 'lazy_bg', undefined,
      'snapshot_bitmap', 'sparse_super2', 'fast_commit', 'stable_inodes', 'orphan_file',
    ],
  },
  s_feature_incompat: {
    letter: 'I',
    names: [
      'compression', 'filetype', 'needs_recovery', 'journal_dev', 'meta_bg', undefined, 'extent', '64bit',
      'mmp', 'flex_bg', 'ea_inode', undefined, 'dirdata', 'metadata_csum_seed', 'large_dir', 'inline_data',
      'encrypt', 'casefold',
    ],
  },
  s_feature_ro_compat: {
    letter: 'R',
    names: [
      'sparse_super', 'large_file', undefined, 'huge_file', 'uninit_bg', 'dir_nlink', 'extra_isize', undefined,
      'quota', 'bigalloc', 'metadata_csum', 'replica', 'read-only', 'project', 'shared_blocks', 'verity',
      'orphan_present',
    ],
  },
} as const;

export type FeatureSet = keyof typeof SETS;

/** The names of the features that are set in `flags`. */
export function featureNames(set: FeatureSet, flags: number): string[] {
  const { letter, names } = SETS[set];
  const known: readonly (string | undefined)[] = names;
  return Array.from({ length: 32 }, (_, bit) => bit)
    .filter((bit) => hasFlag(flags, 2 ** bit))
    .map((bit) => known[bit] ?? `FEATURE_${letter}${bit}`);
}
