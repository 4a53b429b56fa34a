// Owns the look-up of node:vfs in this process, and the part of it that is used.

import { DaxError } from 'node-dax';

/** The class that `vfs.create` requires of a provider. */
export type VirtualProvider = new () => object;

interface NodeVfs {
  readonly VirtualProvider: VirtualProvider;
}

/** Throws if this process has no node:vfs. */
export function nodeVfs(): NodeVfs {
  // `getBuiltinModule` exists since Node 20.16. It returns undefined for a module that is missing, or that an option hides.
  const { getBuiltinModule } = process as { getBuiltinModule?: (name: string) => unknown };
  const found = getBuiltinModule?.('node:vfs') as NodeVfs | undefined;
  if (found !== undefined) return found;
  const hint = process.allowedNodeEnvironmentFlags.has('--experimental-vfs')
    ? 'start Node with --experimental-vfs'
    : `node:vfs came with Node 26.4, and this is ${process.version}`;
  throw new DaxError({ errno: 'EOPNOTSUPP', syscall: 'createProvider', reason: 'NO_NODE_VFS', hint });
}
