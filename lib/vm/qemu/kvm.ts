// Owns the question whether KVM works here, and the memory that it did not.

import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder } from '../host/cache.js';

/** The file that has the number of the boot in which KVM failed. */
export function kvmFailureFile(): string {
  return join(cacheFolder(), 'kvm-failed');
}

function bootNumber(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Why KVM is not tried; `undefined` if it is. */
export function kvmObstacle(device = '/dev/kvm'): string | undefined {
  if (!existsSync(device)) return `there is no ${device}`;
  try {
    accessSync(device, constants.R_OK + constants.W_OK);
  } catch {
    return `you may not open ${device}`;
  }
  const file = kvmFailureFile();
  const isRemembered = existsSync(file) && readFileSync(file, 'utf8').trim() === bootNumber();
  return isRemembered ? `KVM has failed on this machine since it started (${file} remembers it; --accel kvm tries again)` : undefined;
}

/** Keeps until the machine starts again that KVM did not run a guest. */
export function rememberKvmFailure(): void {
  const file = kvmFailureFile();
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${bootNumber()}\n`);
  } catch {
    // Where nothing can be kept, the next guest tries KVM again.
  }
}

/** Forgets it, because KVM has run a guest. */
export function forgetKvmFailure(): void {
  rmSync(kvmFailureFile(), { force: true });
}
