// Owns the files behind the NVDIMMs: the caller's, which outlive the guest, and nameless ones, which do not.

import { closeSync, existsSync, ftruncateSync, linkSync, mkdtempSync, openSync, rmSync, rmdirSync, statSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { VmError } from '../error.js';
import type { Nvdimm } from './nvdimm.js';

/** The file behind one device. */
export interface Backing {
  /** A file by name, or a nameless one by descriptor. */
  readonly source: { readonly path: string } | { readonly fd: number };
  /** Whether it is new and empty: only then may the guest make a namespace and a filesystem on it. */
  readonly fresh: boolean;
  /** Gives a fresh file its name, once it is provisioned. */
  keep(): void;
  /** Closes the descriptor, and removes a fresh file that was never provisioned. */
  release(): void;
}

/**
 * Opens the file behind `nvdimm`. A file that does not exist yet is made under a temporary name beside its own, and gets its name
 * once the guest has provisioned it: a file under that name is always whole, and an existing one is never formatted.
 */
export function openBacking(nvdimm: Nvdimm): Backing {
  const { size } = nvdimm;
  if (nvdimm.file === undefined) return nameless(size);
  if (existsSync(nvdimm.file)) return existing(nvdimm.file, size);
  return created(nvdimm.file, size);
}

function nameless(size: number): Backing {
  const fd = openNameless();
  ftruncateSync(fd, size);
  return { source: { fd }, fresh: true, keep: () => undefined, release: () => { closeSync(fd); } };
}

/** A descriptor of an empty file without a name: however the process ends, no file is left behind. */
export function openNameless(): number {
  const folder = mkdtempSync(join(tmpdir(), 'node-dax-vm-'));
  const path = join(folder, 'file');
  try {
    const fd = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
    return fd;
  } finally {
    rmdirSync(folder);
  }
}

function existing(path: string, size: number): Backing {
  const stat = statSync(path);
  if (!stat.isFile() || stat.size !== size) {
    const what = stat.isFile() ? `${stat.size} bytes` : 'no ordinary file';
    throw new VmError(`'${path}' is not an NVDIMM of ${size} bytes, it is ${what}: give the size it was made with, or another name`);
  }
  return { source: { path }, fresh: false, keep: () => undefined, release: () => undefined };
}

function created(path: string, size: number): Backing {
  const partial = join(dirname(path), `.${basename(path)}.${process.pid}.partial`);
  let fd: number;
  try {
    fd = openSync(partial, 'wx', 0o600);
  } catch (error) {
    throw new VmError(`cannot create the NVDIMM file '${path}': ${error instanceof Error ? error.message : String(error)}`);
  }
  ftruncateSync(fd, size);
  closeSync(fd);
  return {
    source: { path: partial },
    fresh: true,
    keep: () => { name(partial, path); },
    release: () => { rmSync(partial, { force: true }); },
  };
}

/** Gives the file its name. A link, unlike a rename, never replaces a file that was made in the meantime. */
function name(partial: string, path: string): void {
  try {
    linkSync(partial, path);
    unlinkSync(partial);
  } catch (error) {
    throw new VmError(`cannot keep the NVDIMM file '${path}': ${error instanceof Error ? error.message : String(error)}`);
  }
}
