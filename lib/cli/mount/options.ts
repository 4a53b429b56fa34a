// Owns the options of mount(8) that the command takes with -o.

import type { MountFuseOptions } from 'node-dax/fuse';

// The options that the kernel implements for every filesystem.
const GENERIC = ['exec', 'noexec', 'suid', 'nosuid', 'dev', 'nodev', 'atime', 'noatime', 'diratime', 'nodiratime', 'relatime', 'norelatime', 'sync', 'async', 'dirsync'];

export type ListedOptions = Pick<MountFuseOptions, 'readOnly' | 'allowOther' | 'writebackCache' | 'mountOptions'>;

/** Parses options of -o: names separated by commas. Throws `RangeError` for an unknown one. */
export function parseListed(text: string, before: ListedOptions = {}): ListedOptions {
  return text.split(',').reduce<ListedOptions>((options, name) => {
    if (name === 'ro' || name === 'rw') return { ...options, readOnly: name === 'ro' };
    if (name === 'allow_other') return { ...options, allowOther: true };
    if (name === 'writeback_cache') return { ...options, writebackCache: true };
    // This option is always on.
    if (name === 'default_permissions') return options;
    if (!GENERIC.includes(name)) throw new RangeError(`there is no option '${name}': ro, rw, allow_other, default_permissions, writeback_cache, ${GENERIC.join(', ')}`);
    return { ...options, mountOptions: [...(options.mountOptions ?? []), name] };
  }, before);
}

/** Whether each change is to be durable when the program's call returns, and not only after fsync. */
export function isSynchronous({ mountOptions = [] }: ListedOptions = {}): boolean {
  return mountOptions.includes('sync') || mountOptions.includes('dirsync');
}
