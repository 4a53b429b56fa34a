// Owns the synchronous calls together: those on the tree and those on the content of files.

import type { OpenFiles } from '../open/open-files.js';
import type { Tree } from '../tree/tree.js';
import { contentCalls } from './content-calls.js';
import { treeCalls } from './tree-calls.js';

/** They take arguments that are right. */
export type SyncCalls = ReturnType<typeof treeCalls> & ReturnType<typeof contentCalls>;

/** The calls on `tree`, which has the number `device` in what `stat` tells. */
export function syncCalls(tree: Tree, files: OpenFiles, device: number): SyncCalls {
  return { ...treeCalls(tree, files, device), ...contentCalls(tree, files) };
}
