// Owns the search for a kernel that can run the guest, and its image in the form that boots fastest.

import { accessSync, constants, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { decompress } from './decompress.js';
import { VmError } from './error.js';
import { KernelModules } from './modules.js';
import { shellQuote } from './shell-quote.js';

/** A kernel image with its modules. */
export interface Kernel {
  readonly version: string;
  readonly image: string;
  /** `lib/modules/VERSION`. */
  readonly modulesFolder: string;
  readonly modules: KernelModules;
  /** Its build options, the lines of `boot/config-VERSION`; empty if that file is missing. */
  readonly config: ReadonlySet<string>;
}

/** A kernel that was found but cannot be used, and the reason. */
interface Rejected {
  readonly image: string;
  readonly reason: string;
}

/** `${XDG_CACHE_HOME:-~/.cache}/node-dax`. */
export function cacheFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'];
  return join(cache === undefined || cache === '' ? join(homedir(), '.cache') : cache, 'node-dax');
}

/** The roots that may hold `boot/vmlinuz-*` and `lib/modules/*`, in the order of search. */
export function kernelRoots(asked?: string): string[] {
  if (asked !== undefined) return [asked];
  const named = process.env['NODE_DAX_VM_KERNEL'];
  return [...(named === undefined || named === '' ? [] : [named]), join(cacheFolder(), 'kernel'), '/'];
}

/** The newest kernel of the first of `roots` that has every module of `required`. Throws `VmError` with the recipe. */
export function findKernel(roots: readonly string[], required: readonly string[]): Kernel {
  const rejected: Rejected[] = [];
  for (const root of roots) {
    for (const image of imagesIn(root)) {
      const found = examine(root, image, required);
      if ('modules' in found) return found;
      rejected.push(found);
    }
  }
  throw new VmError(noKernel(roots, rejected));
}

function imagesIn(root: string): string[] {
  const boot = join(root, 'boot');
  if (!existsSync(boot)) return [];
  const collator = new Intl.Collator('en', { numeric: true });
  return readdirSync(boot)
    .filter((name) => /^vmlinuz-./.test(name))
    .sort((a, b) => collator.compare(b, a))
    .map((name) => join(boot, name));
}

function examine(root: string, image: string, required: readonly string[]): Kernel | Rejected {
  const version = image.slice(image.lastIndexOf('vmlinuz-') + 'vmlinuz-'.length);
  const modulesFolder = ['lib/modules', 'usr/lib/modules']
    .map((folder) => join(root, folder, version))
    .find((folder) => existsSync(join(folder, 'modules.builtin')));
  if (modulesFolder === undefined) return { image, reason: `it has no lib/modules/${version} beside it` };
  try {
    accessSync(image, constants.R_OK);
  } catch {
    return { image, reason: 'you may not read it (Ubuntu keeps /boot for root): sudo chmod a+r, or unpack a copy as below' };
  }
  const config = configOf(image, version);
  const modules = new KernelModules(modulesFolder, !config.has('# CONFIG_MODULE_SIG_FORCE is not set'));
  const missing = modules.missing(required);
  if (missing.length > 0) return { image, reason: `it lacks the modules ${missing.join(', ')}` };
  return { version, image, modulesFolder, modules, config };
}

function configOf(image: string, version: string): Set<string> {
  const path = join(dirname(image), `config-${version}`);
  return new Set(existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []);
}

function noKernel(roots: readonly string[], rejected: readonly Rejected[]): string {
  const found = rejected.map(({ image, reason }) => `  ${image}: ${reason}\n`).join('');
  return (
    `no kernel for the guest in ${roots.join(', ')}\n${found}` +
    `fetch the distribution's (nothing is installed):\n${kernelRecipe().map((line) => `  ${line}\n`).join('')}`.trimEnd()
  );
}

/** The commands that put the distribution's kernel into the cache. */
function kernelRecipe(): string[] {
  const folder = join(cacheFolder(), 'kernel');
  const ubuntu = existsSync('/etc/os-release') && /^ID(?:_LIKE)?=.*ubuntu/m.test(readFileSync('/etc/os-release', 'utf8'));
  // The meta package depends on the package of the current version. Ubuntu has the modules in packages of their own.
  const meta = ubuntu ? 'linux-image-generic' : 'linux-image-amd64';
  const packages = (ubuntu ? ['image', 'modules', 'modules-extra'] : ['image']).map((part) => `linux-${part}-$V`).join(' ');
  return [
    `V=$(apt-cache depends ${meta} | sed -n 's/.*Depends: linux-image-//p' | head -n 1)`,
    `mkdir -p ${shellQuote(folder)} && cd "$(mktemp -d)" && apt-get download ${packages} && for deb in *.deb; do dpkg -x "$deb" ${shellQuote(folder)}; done`,
  ];
}

/**
 * The path of an image to give to QEMU. Under emulation a kernel takes seconds to unpack itself. Its ELF file, unpacked once and
 * kept in the cache, starts at once through the PVH entry. Falls back to the image itself.
 */
export function fastImage(kernel: Kernel): string {
  if (!kernel.config.has('CONFIG_PVH=y')) return kernel.image;
  const { mtimeMs, size } = statSync(kernel.image);
  const folder = join(cacheFolder(), 'vmlinux');
  const path = join(folder, `${kernel.version}-${size}-${Math.floor(mtimeMs)}`);
  if (existsSync(path)) return path;
  try {
    const vmlinux = decompress(payload(readFileSync(kernel.image)));
    if (vmlinux.readUInt32BE(0) !== 0x7f454c46) return kernel.image;
    mkdirSync(folder, { recursive: true });
    const partial = `${path}.${process.pid}`;
    writeFileSync(partial, vmlinux);
    renameSync(partial, path);
    return path;
  } catch {
    return kernel.image;
  }
}

/** The compressed kernel in a bzImage ("The Linux/x86 Boot Protocol", payload_offset), without the length at its end. */
function payload(bzImage: Buffer): Buffer {
  const setupSectors = bzImage.readUInt8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + bzImage.readUInt32LE(0x248);
  const length = bzImage.readUInt32LE(0x24c);
  return bzImage.subarray(start, start + length - 4);
}
