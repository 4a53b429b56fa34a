// Owns the synchronous calls together: those on the tree and those on the content of files.

import { contentCalls } from './content-calls.js';
import type { OpenFiles } from './open-files.js';
import { treeCalls } from './tree-calls.js';
import type { Tree } from './tree.js';

/** They take arguments that are right. */
export type SyncCalls = ReturnType<typeof treeCalls> & ReturnType<typeof contentCalls>;

/** The calls on `tree`, which has the number `device` in what `stat` tells. */
export function syncCalls(tree: Tree, files: OpenFiles, device: number): SyncCalls {
  return { ...treeCalls(tree, files, device), ...contentCalls(tree, files) };
}
