// Owns fetching the distribution's kernel into the cache, by its package manager, without installing anything.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { VmError } from '../error.js';
import { cacheFolder } from '../host/cache.js';
import { packageManager, type PackageManager } from '../host/packages.js';
import { shellQuote } from '../shell-quote.js';

/** The folder that the kernel is unpacked into. */
export function fetchedKernels(): string {
  return join(cacheFolder(), 'kernel');
}

/**
 * The shell commands that fetch the kernel. If neither apt nor dnf is found, they are those for apt, because the guest is tested
 * with Debian's kernel.
 */
export function kernelRecipe(manager: PackageManager = packageManager() ?? 'apt-get'): string[] {
  const folder = shellQuote(fetchedKernels());
  const download = (command: string, unpack: string): string => `mkdir -p ${folder} && cd "$(mktemp -d)" && ${command} && ${unpack}`;
  if (manager === 'dnf') {
    const packages = ['core', 'modules-core', 'modules', 'modules-extra'].map((part) => `kernel-${part}`).join(' ');
    return [download(`dnf download --arch=x86_64 ${packages}`, `for rpm in *.rpm; do rpm2cpio "$rpm" | cpio -idm -D ${folder}; rm "$rpm"; done`)];
  }
  const ubuntu = existsSync('/etc/os-release') && /^ID(?:_LIKE)?=.*ubuntu/m.test(readFileSync('/etc/os-release', 'utf8'));
  // The meta package depends on the package of the current version. Ubuntu has the modules in packages of their own.
  const meta = ubuntu ? 'linux-image-generic' : 'linux-image-amd64';
  const packages = (ubuntu ? ['image', 'modules', 'modules-extra'] : ['image']).map((part) => `linux-${part}-$V`).join(' ');
  return [
    `V=$(apt-cache depends ${meta} | sed -n 's/.*Depends: linux-image-//p' | head -n 1)`,
    download(`apt-get download ${packages}`, `for deb in *.deb; do dpkg -x "$deb" ${folder} && rm "$deb"; done`),
  ];
}

/**
 * Runs the recipe. The output of its programs goes to the standard error. Rejects with `VmError` on a machine without apt and dnf,
 * and if the recipe fails.
 */
export async function fetchKernel(): Promise<void> {
  const manager = packageManager();
  if (manager !== 'apt-get' && manager !== 'dnf') {
    throw new VmError(`a kernel is fetched with apt or dnf, and this machine has neither: unpack a kernel's package into ${fetchedKernels()}`);
  }
  const child = spawn('sh', ['-e', '-c', kernelRecipe(manager).join('\n')], { stdio: ['ignore', 2, 2] });
  const [status] = (await once(child, 'close')) as [number | null];
  const hint = manager === 'apt-get' ? ' (apt-get update, as root, brings the lists of packages)' : '';
  if (status !== 0) throw new VmError(`the kernel could not be fetched: see above${hint}`);
}
