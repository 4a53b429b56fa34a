// Owns the UUID of a host, by which famfs recognises the host that may write.

import { readFileSync } from 'node:fs';
import { fail } from '../format/error.js';
import { uuidBytes } from '../format/uuid.js';

/** Where famfs keeps the UUID. */
export const SYSTEM_UUID_FILE = '/opt/famfs/system_uuid';

/** The UUID in `path`; undefined if the file does not exist or may not be read. Throws `EINVAL` for other content. */
export function systemUuidAt(path: string, syscall: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'EACCES', 'ENOTDIR'].includes(code)) return undefined;
    throw error;
  }
  const uuid = text.slice(0, 36).toLowerCase();
  if (uuidBytes(uuid) === undefined || !/^[\0\s]*$/.test(text.slice(36))) fail('EINVAL', syscall, `${path} has no UUID in it`);
  return uuid;
}
