// Owns finding node:vfs in this process, and what is asked of it.

import { DaxError } from 'node-dax';

/** The class that `vfs.create` knows a provider by. */
export type VirtualProvider = new () => object;

interface NodeVfs {
  readonly VirtualProvider: VirtualProvider;
}

/** Throws where this process has none. */
export function nodeVfs(): NodeVfs {
  // Since Node 20.16; undefined for a module that there is not, or that an option hides.
  const { getBuiltinModule } = process as { getBuiltinModule?: (name: string) => unknown };
  const found = getBuiltinModule?.('node:vfs') as NodeVfs | undefined;
  if (found !== undefined) return found;
  const hint = process.allowedNodeEnvironmentFlags.has('--experimental-vfs')
    ? 'start Node with --experimental-vfs'
    : `node:vfs came with Node 26.4, and this is ${process.version}`;
  throw new DaxError({ errno: 'EOPNOTSUPP', syscall: 'createProvider', reason: 'NO_NODE_VFS', hint });
}
