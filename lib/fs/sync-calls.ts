// Owns the synchronous calls together: those on the tree and those on the content of files.

import { contentCalls } from './content-calls.js';
import type { MountedFilesystem } from './contract.js';
import type { OpenFiles } from './open-files.js';
import { treeCalls } from './tree-calls.js';

/** As they are made: what they take is checked when they are called. */
export type SyncCalls = ReturnType<typeof treeCalls> & ReturnType<typeof contentCalls>;

/** The calls on `mounted`, which has the number `device` in what `stat` tells. */
export function syncCalls(mounted: MountedFilesystem, files: OpenFiles, device: number): SyncCalls {
  return { ...treeCalls(mounted, files, device), ...contentCalls(mounted, files) };
}
