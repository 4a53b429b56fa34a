// The public interface of node-dax/vfs: a mounted filesystem as a provider of node:vfs.

import { checkOptions } from 'node-dax';
import { createFs, type FsOptions, type MountedFilesystem } from 'node-dax/fs';
import { nodeVfs } from './node-vfs.js';
import { providerOf, type Provider } from './provider.js';

export type { Provider } from './provider.js';
export type { ProviderFile } from './file.js';

export type ProviderOptions = Pick<FsOptions, 'umask'>;

/**
 * A provider of `node:vfs` over a mounted filesystem: what `vfs.create` and `new vfs.VirtualFileSystem` take. Throws `DaxError`
 * `EOPNOTSUPP` with reason `NO_NODE_VFS` if this process has no `node:vfs`, which Node has from 26.4 on with `--experimental-vfs`.
 * Unmount the virtual filesystem and close its files before the filesystem is unmounted.
 */
export function createProvider(filesystem: MountedFilesystem, options: ProviderOptions = {}): Provider {
  checkOptions(options, { umask: true });
  return providerOf(nodeVfs().VirtualProvider, filesystem, createFs(filesystem, options));
}
