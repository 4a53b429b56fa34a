// Owns the modules of a kernel that is not running: their names, their dependencies and their loading order.

import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { decompress } from './decompress.js';

/** A module for an initramfs: uncompressed, and in lists after the modules that it depends on. */
export interface KernelModule {
  readonly name: string;
  readonly content: Buffer;
}

/**
 * The modules under `lib/modules/VERSION`.
 * Dependencies are read from the modules themselves, because a package that was only unpacked has no `modules.dep`. This also
 * avoids modprobe's rules, one of which (ndctl's, for libnvdimm) runs a command instead of loading the module.
 */
export class KernelModules {
  readonly #files = new Map<string, string>();
  readonly #builtin: ReadonlySet<string>;
  readonly #loaded = new Map<string, Buffer>();
  readonly #signed: boolean;

  /** `signed` keeps the signatures, for a kernel that loads nothing without one. */
  constructor(folder: string, signed: boolean) {
    this.#signed = signed;
    for (const path of modulesUnder(folder)) this.#files.set(moduleName(path), path);
    const builtin = readFileSync(join(folder, 'modules.builtin'), 'utf8');
    this.#builtin = new Set(builtin.split('\n').filter(Boolean).map(moduleName));
  }

  /** The names that are neither modules nor built in. */
  missing(names: readonly string[]): string[] {
    return names.filter((name) => !this.#builtin.has(moduleName(name)) && !this.#files.has(moduleName(name)));
  }

  /** The modules of `names` and their dependencies, in loading order. Those that are built in or absent are left out. */
  inLoadingOrder(names: readonly string[]): KernelModule[] {
    const order = new Map<string, KernelModule>();
    const visiting = new Set<string>();
    const visit = (name: string): void => {
      const file = this.#files.get(name);
      if (file === undefined || visiting.has(name)) return;
      visiting.add(name);
      const content = this.#read(file);
      dependencies(content).forEach(visit);
      order.set(name, { name, content });
    };
    names.map(moduleName).forEach(visit);
    return [...order.values()];
  }

  #read(file: string): Buffer {
    const loaded = this.#loaded.get(file);
    if (loaded !== undefined) return loaded;
    const module = decompress(readFileSync(file));
    const content = this.#signed ? module : withoutSignature(module);
    this.#loaded.set(file, content);
    return content;
  }
}

/** The files of modules. Links to folders are not followed: `build` leads to the kernel's source. */
function modulesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return modulesUnder(path);
    return /\.ko(?:\.(?:xz|zst|gz))?$/.test(entry.name) ? [path] : [];
  });
}

/** `hwpoison-inject.ko.xz` and `hwpoison_inject` are one name to the kernel. */
function moduleName(path: string): string {
  return basename(path).replace(/\.ko(?:\..*)?$/, '').replaceAll('-', '_');
}

/** The `depends=` field of the module's `.modinfo` section. */
function dependencies(module: Buffer): string[] {
  const start = module.indexOf('\0depends=');
  if (start === -1) return [];
  const [, list = ''] = module.toString('latin1', start + 1, module.indexOf(0, start + 1)).split('=');
  return list.split(',').filter(Boolean).map(moduleName);
}

const SIGNATURE_MARK = Buffer.from('~Module signature appended~\n');

/**
 * The module without its signature, which is followed by `struct module_signature`, whose last field is the signature's length, and
 * the mark. An emulated processor takes longer to check a signature than for the rest of loading the module.
 */
function withoutSignature(module: Buffer): Buffer {
  const STRUCT_SIZE = 12;
  const end = module.length - SIGNATURE_MARK.length;
  if (end < STRUCT_SIZE || !module.subarray(end).equals(SIGNATURE_MARK)) return module;
  return module.subarray(0, Math.max(0, end - STRUCT_SIZE - module.readUInt32BE(end - 4)));
}
