// Owns famfs for the suites: memories to make one in, whose host is the master, what all of its files hold, and another reader.

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { openSync, type DaxDevice } from 'node-dax';
import { mkfsFamfs, mountFamfs, type Famfs, type FamfsInode, type FamfsMountOptions } from 'node-dax/famfs';
import { shm } from './ext2-image.js';

export const MIB = 2 ** 20;
export const SYSTEM_UUID = '00112233-4455-6677-8899-aabbccddeeff';

/** A folder of this test, gone at its end. */
export function folderFor(test: Test): string {
  const folder = mkdtempSync(join(shm, 'node-dax-famfs-'));
  test.teardown(() => { rmSync(folder, { recursive: true }); });
  return folder;
}

/** The file with the UUID of this host, as a test is to have it. */
export function systemUuidFile(test: Test, uuid = SYSTEM_UUID): string {
  const path = join(folderFor(test), 'system_uuid');
  writeFileSync(path, `${uuid}\0`);
  return path;
}

export interface Host {
  readonly device: DaxDevice;
  readonly path: string;
  readonly uuidFile: string;
  readonly mount: (options?: FamfsMountOptions) => Famfs;
}

/** An empty famfs on a file of `size` bytes, on the host that is its master. */
export function makeFamfs(test: Test, size = 64 * MIB): Host {
  const path = join(folderFor(test), 'memory');
  const uuidFile = systemUuidFile(test);
  // Sparse: most of the units are never written.
  writeFileSync(path, '');
  truncateSync(path, size);
  const device = openSync(path);
  test.teardown(() => device.close());
  mkfsFamfs(device, { systemUuidFile: uuidFile });
  return { device, path, uuidFile, mount: (options) => mountFamfs(device, { systemUuidFile: uuidFile, ...options }) };
}

/** All that is in it, by path from the root. */
export function walk(famfs: Famfs): Map<string, FamfsInode> {
  const found = new Map<string, FamfsInode>();
  const waiting = [famfs.root];
  for (let dir = waiting.pop(); dir !== undefined; dir = waiting.pop()) {
    for (const { name, bytes } of famfs.readdir(dir)) {
      if (name === '.' || name === '..') continue;
      const inode = famfs.lookup(dir, bytes);
      if (inode === undefined) throw new Error(`${name} is listed, and not there`);
      found.set(inode.path.slice(1), inode);
      if (inode.isDirectory) waiting.push(inode);
    }
  }
  return found;
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const PROGRAM = join(__dirname, '..', '..', '..', 'test', 'helpers', 'famfs.py');

/** For `skip`: false where there is a Python. */
export const pythonMissing = spawnSync('python3', ['--version']).status === 0 ? false : 'python3 is not here';

/** What the reader or writer in Python says of a memory, or makes of one: `test/helpers/famfs.py`. */
export function python(how: 'read' | 'write', path: string, input = ''): unknown {
  return JSON.parse(execFileSync('python3', [PROGRAM, how, path], { input, encoding: 'utf8', maxBuffer: 2 ** 28 }));
}
