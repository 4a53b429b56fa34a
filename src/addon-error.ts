// Owns the error for an addon that does not load: it says why, and what to do about it.

import { DaxError } from './errors.js';

/** The C library of this process, which determines the prebuilt addon that fits. */
export type Libc = 'glibc' | 'musl';

/** The circumstances of a failed attempt to load the addon. */
export interface Attempt {
  /** Whether this code runs from the installed package. False in a bundle, which lies elsewhere. */
  isInPackage: boolean;
  libc: Libc;
  /** The value of NODE_DAX_ADDON. */
  named: string | undefined;
}

const platform = `${process.platform}-${process.arch}`;

// Some runtimes that have Node's modules lack `process.getBuiltinModule` or `node:sea`.
function isSingleExecutable(): boolean {
  const sea = (process.getBuiltinModule as typeof process.getBuiltinModule | undefined)?.('node:sea') as
    | { isSea?: () => boolean }
    | undefined;
  return sea?.isSea?.() ?? false;
}

function isPermissionModel(): boolean {
  return (process as { permission?: unknown }).permission !== undefined;
}

/** The error on a system that is not Linux. */
export function otherSystemError(): DaxError {
  return new DaxError({
    errno: 'EOPNOTSUPP',
    syscall: 'load',
    reason: 'ADDON_NOT_FOUND',
    hint: `persistent memory is supported on Linux only, this is ${platform}`,
  });
}

/** The error for a load that failed with `cause`: it gives the first of these reasons that applies. */
export function addonError(cause: unknown, { isInPackage, libc, named }: Attempt): DaxError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const file = `prebuilds/${platform}/node_dax.${libc}.node`;
  const init = { syscall: 'load', path: named, cause };
  if (code === 'ERR_DLOPEN_DISABLED' || code === 'ERR_ACCESS_DENIED') {
    return isPermissionModel()
      ? new DaxError({
          ...init,
          errno: 'EACCES',
          reason: 'ADDON_NOT_PERMITTED',
          hint: 'the permission model keeps addons out; start node with --allow-addons, and with --allow-fs-read for the folder of node-dax (or for the file that NODE_DAX_ADDON names)',
        })
      : new DaxError({
          ...init,
          errno: 'EACCES',
          reason: 'ADDONS_DISABLED',
          hint: 'node was started with --no-addons (look at NODE_OPTIONS too), and node-dax is one',
        });
  }
  if (isWithheld(code, message)) {
    return new DaxError({
      ...init,
      errno: 'EACCES',
      reason: 'ADDON_NOT_ACCESSIBLE',
      hint: `this user may not read the addon, or it lies on a filesystem that is mounted noexec; give the rights, or set NODE_DAX_ADDON to a copy of ${file} that has them (${message.trim()})`,
    });
  }
  if (named !== undefined && (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR')) {
    return new DaxError({
      ...init,
      errno: 'ENOENT',
      reason: 'ADDON_NOT_FOUND',
      hint: `NODE_DAX_ADDON names no file; it is to be a copy of ${file} of the package`,
    });
  }
  if (code === 'ERR_DLOPEN_FAILED') {
    return new DaxError({
      ...init,
      errno: 'ENOEXEC',
      reason: 'ADDON_DAMAGED',
      hint:
        named === undefined
          ? `the addon is damaged, or made for another system; install node-dax anew, or build it: ${BUILD} (${message.trim()})`
          : `the file that NODE_DAX_ADDON names is damaged, made for another system, or no addon; it is to be a copy of ${file} of the package (${message.trim()})`,
    });
  }
  if (isSingleExecutable()) {
    return new DaxError({
      ...init,
      errno: 'ENOENT',
      reason: 'ADDON_IN_EXECUTABLE',
      hint: `a single executable holds no addon; put a copy of ${file} of the package beside it, and set NODE_DAX_ADDON to its path before node-dax is used`,
    });
  }
  if (!isInPackage) {
    return new DaxError({
      ...init,
      errno: 'ENOENT',
      reason: 'ADDON_IN_BUNDLE',
      hint: `node-dax was bundled, and bundlers leave the addon behind; make 'node-dax' an external package of the bundle, or set NODE_DAX_ADDON to a copy of ${file}`,
    });
  }
  return new DaxError({
    ...init,
    errno: 'ENOENT',
    reason: 'ADDON_NOT_FOUND',
    hint: `there is no prebuilt addon for ${platform} with ${libc}; build it: ${BUILD}`,
  });
}

// Mapping a file to execute it fails with EPERM where its filesystem is mounted noexec; glibc and musl word that differently.
function isWithheld(code: string | undefined, message: string): boolean {
  if (code === 'EACCES') return true;
  return code === 'ERR_DLOPEN_FAILED' && /failed to map segment|Operation not permitted|Permission denied/.test(message);
}

const BUILD = '`npx node-gyp rebuild --directory native` in the folder of node-dax (needs g++, make and python3)';
