// Compiles the drivers written in C, and says why one cannot be had.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { PROGRAMS, type ProgramName } from './drivers/index.js';

const SOURCES = join(__dirname, '..', '..', 'benchmarks', 'native');

/** The path of the executable, or the reason why there is none. */
export type Compiled = { executable: string } | { missing: string };

/** Compiles into `folder`. */
export function compile(name: ProgramName, folder: string): Compiled {
  const executable = join(folder, name);
  const source = join(SOURCES, `${name}.c`);
  const { status, error, stderr } = spawnSync(
    process.env['CC'] ?? 'cc',
    ['-O2', '-o', executable, source, ...PROGRAMS[name].libraries],
    { encoding: 'utf8' },
  );
  if (error) return { missing: `no C compiler (${error.message})` };
  if (status === 0) return { executable };
  const reason = stderr.split('\n').find((line) => line.includes('error')) ?? 'does not compile';
  return { missing: reason.trim() };
}
