// Owns the set of synchronous calls: those on the tree and those on file content.

import type { OpenFiles } from '../open/open-files.js';
import type { Tree } from '../tree/tree.js';
import { contentCalls } from './content-calls.js';
import { treeCalls } from './tree-calls.js';

/** The calls expect valid arguments. */
export type SyncCalls = ReturnType<typeof treeCalls> & ReturnType<typeof contentCalls>;

/** The calls on `tree`. `device` is its device number in the results of `stat`. */
export function syncCalls(tree: Tree, files: OpenFiles, device: number): SyncCalls {
  return { ...treeCalls(tree, files, device), ...contentCalls(tree, files) };
}
