// Owns whether programs that a test needs are there: in CI they must be.

import { spawnSync } from 'node:child_process';

/** Why `program`, of a package of Debian, is not there, or undefined. In CI its lack is a failure. */
export function installed(program: string, debianPackage: string): string | undefined {
  const { error } = spawnSync(program, ['--version'], { stdio: 'ignore' });
  if (error === undefined) return undefined;
  const reason = `${program} is not installed: apt-get install ${debianPackage}`;
  if (process.env['CI'] === 'true') throw new Error(reason);
  return reason;
}
