// Owns the search for a kernel that can run the guest.

import { accessSync, constants, existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { VmError } from '../error.js';
import { fetchedKernels, kernelRecipe } from './fetch.js';
import { versionOf, type KernelImage } from './image.js';
import { KernelModules } from './modules.js';

/** A kernel image with its modules. */
export interface Kernel extends KernelImage {
  /** `lib/modules/VERSION`, or the tree that the kernel was built in. */
  readonly modulesFolder: string;
  readonly modules: KernelModules;
}

/** An image, and the folders that may have its modules. */
interface Candidate {
  readonly version: string;
  readonly image: string;
  readonly folders: readonly string[];
}

/** A kernel that was found but cannot be used, and the reason. */
interface Rejected {
  readonly image: string;
  readonly reason: string;
}

// Where a tree that a kernel was built in has the image.
const BUILT = 'arch/x86/boot/bzImage';

/** The folders that may hold kernels, in the order of search. */
export function kernelRoots(): string[] {
  const named = process.env['NODE_DAX_VM_KERNEL'];
  return [...(named === undefined || named === '' ? [] : [named]), fetchedKernels(), '/'];
}

/**
 * Throws `RangeError` if `asked` names a file or folder that does not exist. A word without a slash that names neither is a
 * version.
 */
export function checkKernelName(asked: string): void {
  if (asked === '' || (asked.includes('/') && !existsSync(asked))) {
    throw new RangeError(`there is no kernel '${asked}': give an image, a version such as 6.1.0-50-amd64, or a folder with boot/ and lib/modules/`);
  }
}

/**
 * The newest kernel that has every module of `required`, in the first of `roots` that has such a kernel. `asked` is an image or a
 * version to use, or the only folder to search. Throws `VmError` with the recipe.
 */
export function findKernel(roots: readonly string[], required: readonly string[], asked?: string): Kernel {
  const rejected: Rejected[] = [];
  const { candidates, places } = candidatesFor(roots, asked);
  for (const candidate of candidates) {
    const found = examine(candidate, required);
    if ('modules' in found) return found;
    rejected.push(found);
  }
  throw new VmError(noKernel(places, rejected));
}

function candidatesFor(roots: readonly string[], asked: string | undefined): { candidates: readonly Candidate[]; places: string } {
  const everywhere = roots.flatMap(candidatesIn);
  if (asked === undefined) return { candidates: everywhere, places: `in ${roots.join(', ')}` };
  if (!existsSync(asked)) {
    const versions = everywhere.map(({ version }) => version).join(', ') || 'none';
    return { candidates: everywhere.filter(({ version }) => version === asked), places: `of version ${asked} in ${roots.join(', ')} (which have ${versions})` };
  }
  if (statSync(asked).isDirectory()) return { candidates: candidatesIn(asked), places: `in ${asked}` };
  return { candidates: [candidateOf(resolve(asked), roots)], places: `in ${asked}` };
}

/** The kernels below `root`, the newest first: of Debian's layout, of Fedora's, or built there. */
function candidatesIn(root: string): Candidate[] {
  const modules = ['lib/modules', 'usr/lib/modules'].map((folder) => join(root, folder));
  const foldersOf = (version: string): string[] => modules.map((folder) => join(folder, version));
  const installed = namesIn(join(root, 'boot'))
    .filter((name) => /^vmlinuz-./.test(name))
    .map((name) => ({ version: name.slice('vmlinuz-'.length), image: join(root, 'boot', name) }));
  const beside = [...new Set(modules.flatMap(namesIn))].flatMap((version) => {
    const image = foldersOf(version).map((folder) => join(folder, 'vmlinuz')).find((path) => existsSync(path));
    return image === undefined || installed.some((other) => other.version === version) ? [] : [{ version, image }];
  });
  const collator = new Intl.Collator('en', { numeric: true });
  const found = [...installed, ...beside].sort((a, b) => collator.compare(b.version, a.version));
  const built = join(root, BUILT);
  return [
    ...(existsSync(built) ? [{ version: versionOf(built) ?? '', image: built, folders: [root] }] : []),
    ...found.map(({ version, image }) => ({ version, image, folders: foldersOf(version) })),
  ];
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** The image at `path`: its modules are beside it, in the tree that it was built in, or in one of `roots`. */
function candidateOf(path: string, roots: readonly string[]): Candidate {
  const version = versionOf(path) ?? /^vmlinuz-(.+)$/.exec(basename(path))?.[1] ?? '';
  const folder = dirname(path);
  const tree = path.endsWith(`/${BUILT}`) ? [path.slice(0, -BUILT.length - 1)] : [];
  const installed = [dirname(folder), ...roots].flatMap((root) => [join(root, 'lib/modules', version), join(root, 'usr/lib/modules', version)]);
  return { version, image: path, folders: [...tree, folder, ...installed] };
}

function examine({ image, version, folders }: Candidate, required: readonly string[]): Kernel | Rejected {
  if (version === '') return { image, reason: 'it is no kernel image for x86 (bzImage)' };
  const modulesFolder = folders.find((folder) => existsSync(join(folder, 'modules.builtin')));
  if (modulesFolder === undefined) return { image, reason: `it has no lib/modules/${version} beside it` };
  try {
    accessSync(image, constants.R_OK);
  } catch {
    return { image, reason: 'you may not read it (Ubuntu keeps /boot for root): sudo chmod a+r, or unpack a copy as below' };
  }
  const config = configOf([join(dirname(image), `config-${version}`), join(modulesFolder, 'config'), join(modulesFolder, '.config')]);
  const modules = new KernelModules(modulesFolder, !config.has('# CONFIG_MODULE_SIG_FORCE is not set'));
  const missing = modules.missing(required);
  if (missing.length > 0) return { image, reason: `it lacks the modules ${missing.join(', ')}` };
  return { version, image, modulesFolder, modules, config };
}

function configOf(paths: readonly string[]): Set<string> {
  const path = paths.find((candidate) => existsSync(candidate));
  return new Set(path === undefined ? [] : readFileSync(path, 'utf8').split('\n'));
}

function noKernel(places: string, rejected: readonly Rejected[]): string {
  const found = rejected.map(({ image, reason }) => `  ${image}: ${reason}\n`).join('');
  return (
    `no kernel for the guest ${places}\n${found}` +
    'node-dax vm --fetch-kernel fetches that of the distribution (nothing is installed), as these lines do:\n' +
    kernelRecipe().map((line) => `  ${line}\n`).join('').trimEnd()
  );
}
