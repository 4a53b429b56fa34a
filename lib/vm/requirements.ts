// Owns what a guest requires of this machine: its processor, programs, and a kernel.

import { VmError } from './error.js';
import { installCommands } from './host/packages.js';
import { findProgram, type Program } from './host/programs.js';
import { requiredModules } from './init/modules.js';
import { findKernel, kernelRoots, type Kernel } from './kernel/find.js';
import { kindOf } from './memory/nvdimm.js';
import type { Settings } from './options.js';

export interface Requirements {
  /** The path of each program. */
  readonly programs: ReadonlyMap<Program, string>;
  readonly kernel: Kernel;
}

/** Finds the programs and the kernel. Throws one `VmError` that names everything that is missing. */
export function findRequirements(settings: Settings): Requirements {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new VmError(`the guest runs on Linux on x86-64 only, not on ${process.platform} on ${process.arch}`);
  }
  const needed = neededPrograms(settings);
  const missing = needed.filter((program) => findProgram(program) === undefined);
  const problems = missing.length === 0 ? [] : [`packages are missing: ${installCommands(missing).join('\n  ')}`];
  let kernel: Kernel | undefined;
  try {
    kernel = findKernel(kernelRoots(), requiredModules(settings), settings.kernel);
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    problems.push(error.message);
  }
  if (problems.length > 0 || kernel === undefined) throw new VmError(`the guest cannot run: ${problems.join('\n')}`);
  return { programs: new Map(needed.map((program) => [program, findProgram(program) ?? program])), kernel };
}

function neededPrograms({ nvdimms }: Settings): Program[] {
  const kinds = nvdimms.map(kindOf);
  const filesystems = new Set(kinds.flatMap(({ filesystem }) => filesystem ?? []));
  return [
    'qemu-system-x86_64', 'busybox', 'setpriv', 'flock', 'blkid',
    ...(kinds.some(({ mode }) => mode !== undefined) ? ['ndctl' as const] : []),
    ...(kinds.some(({ source }) => source === 'cxl-pmem') ? ['cxl' as const] : []),
    ...[...filesystems].map((filesystem) => `mkfs.${filesystem}` as const),
  ];
}
