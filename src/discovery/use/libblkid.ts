// Owns the question to libblkid, by wipefs of util-linux, about what a file or block device carries.

import { spawnSync } from 'node:child_process';
import { delimiter } from 'node:path';

/** What libblkid found, in words, or why it could not be asked. */
export type Answer = { signature: string | undefined } | { unasked: string };

interface Row {
  type: string | null;
  usage: string | null;
}

// Administrators' programs are often not on a user's PATH.
const ENVIRONMENT = { PATH: [process.env['PATH'] ?? '', '/usr/sbin', '/sbin'].join(delimiter), LC_ALL: 'C' };

const LESS = 'only what node-dax knows by itself was looked for';

function inWords({ type, usage }: Row): string {
  const name = type ?? 'something';
  return usage === 'partition-table' ? `a partition table (${name})` : name;
}

/**
 * Asks about `path`, which is only read; with `fd`, about what that descriptor has open, whatever `path` is. It uses wipefs, which
 * reports everything that libblkid recognises, because blkid reports nothing if the result is ambiguous. Takes some 10 ms.
 */
export function askLibblkid(path: string, fd?: number): Answer {
  const from = fd === undefined ? path : '/proc/self/fd/3';
  const args = ['--no-act', '--json', '--output', 'TYPE,USAGE', '--', from];
  try {
    const { error, status, stdout, stderr } = spawnSync('wipefs', args, {
      encoding: 'utf8',
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'pipe', ...(fd === undefined ? [] : [fd])],
    });
    if (error !== undefined) throw error;
    if (status !== 0) return { unasked: `${stderr.trim() || 'wipefs failed'}: ${LESS}` };
    const rows = stdout.trim() === '' ? [] : (JSON.parse(stdout) as { signatures: Row[] }).signatures;
    return { signature: rows[0] && inWords(rows[0]) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'wipefs (util-linux) is not installed' : `wipefs cannot be asked (${message})`;
    return { unasked: `${why}: ${LESS}` };
  }
}
