// Owns the memory images that famfs's own library has written, with their manifests. They belong to famfs's authors (Apache-2.0),
// and are kept beside the project, not in it.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { PROT_READ, type DaxDevice } from 'node-dax';
import { mountFamfs, type Famfs } from 'node-dax/famfs';
import { createFs } from 'node-dax/fs';
import { isSummed, readEntry } from '../../lib/famfs/format/entry.js';
import { positionOf } from '../../lib/famfs/format/log-header.js';
import { contentOf } from './famfs-content.js';
import { sha256, systemUuidFile, walk } from './famfs-image.js';

const FOLDER = join(__dirname, '..', '..', '..', '..', 'shared', 'corpora', 'famfs');
/** For `skip`: false where they are. */
export const corpusMissing = existsSync(FOLDER) ? false : `${FOLDER} is not here`;

interface ManifestExtent {
  devindex: number;
  offset: number;
  len: number;
}

interface ManifestEntry {
  index: number;
  device_offset: number;
  type: number;
  kind: string;
  path?: string;
  size?: number;
  flags?: number;
  uid?: number;
  gid?: number;
  mode?: string;
  ext_type?: number;
  niext?: number;
  extents?: ManifestExtent[];
  interleaved?: { nstrips: number; chunk_size: number; strips: ManifestExtent[] }[];
  uuid?: string;
  sha256?: string;
}

interface Manifest {
  image_sha256: string;
  device_size: number;
  superblock: Record<string, unknown> & { daxdev: { size: number; devname: string } };
  log_header: { last_index: number; next_index: number };
  entries: ManifestEntry[];
}

function checkSuperblock(test: Test, famfs: Famfs, { superblock: wanted, log_header: header }: Manifest): void {
  const sb = famfs.superblock;
  test.strictSame(
    [sb.version, sb.logOffset, sb.logLength, sb.allocUnit, sb.omfMajor, sb.omfMinor, sb.uuid, sb.deviceUuid, sb.systemUuid, sb.deviceSize, sb.devicePath],
    [...['version', 'log_offset', 'log_len', 'alloc_unit', 'omf_ver_major', 'omf_ver_minor', 'uuid', 'dev_uuid', 'system_uuid'].map((name) => wanted[name]),
      wanted.daxdev.size, wanted.daxdev.devname],
  );
  test.equal(famfs.capacity, header.last_index + 1);
  test.equal(famfs.entries, header.next_index);
}

function extentsOf(extents: ManifestExtent[] | undefined): object[] {
  return (extents ?? []).map(({ devindex, offset, len }) => ({ device: devindex, offset, length: len }));
}

// As the manifest has it, in our words.
function expected(entry: ManifestEntry): object {
  const text = Buffer.from(entry.path ?? '').toString('latin1');
  const owner = { uid: entry.uid, gid: entry.gid, mode: parseInt(entry.mode ?? '0', 8), path: text };
  if (entry.kind === 'mkdir') return { type: 1, ...owner };
  if (entry.kind === 'other') return { type: undefined, number: entry.type };
  if (entry.kind !== 'file') return { type: 3 };
  const striped = entry.interleaved?.[0];
  return {
    ...{ type: 0, ...owner, size: entry.size, flags: entry.flags, extentType: entry.ext_type },
    count: entry.niext ?? entry.extents?.length,
    chunk: striped?.chunk_size ?? 0,
    stripCount: striped?.nstrips ?? 0,
    extents: extentsOf(striped?.strips ?? entry.extents),
  };
}

function checkEntries(test: Test, device: DaxDevice, entries: ManifestEntry[]): void {
  const bytes = Buffer.alloc(544);
  const wrong = entries.filter((entry) => {
    device.readSync(bytes, positionOf(entry.index));
    if (positionOf(entry.index) !== entry.device_offset || bytes.readBigUInt64LE(0) !== BigInt(entry.index) || !isSummed(bytes)) return true;
    return !test.match(readEntry(bytes), expected(entry), `entry ${entry.index}`);
  });
  test.strictSame(wrong, []);
}

function checkFiles(test: Test, famfs: Famfs, entries: ManifestEntry[]): void {
  const fs = createFs(famfs);
  const found = walk(famfs);
  for (const { path = '', kind, size, mode, uid, gid, sha256: wanted } of entries) {
    if (kind === 'mkdir') {
      test.match(famfs.stat(path), { mode: 0o040000 + parseInt(mode ?? '', 8), uid, gid });
      continue;
    }
    if (kind !== 'file' || size === undefined || wanted === undefined) continue;
    const inode = found.get(path);
    if (inode === undefined) {
      test.fail(`${path} is not there`);
      continue;
    }
    test.match(famfs.stat(inode), { mode: 0o100000 + parseInt(mode ?? '', 8), uid, gid, size, nlink: 1 });
    test.equal(sha256(contentOf(famfs, inode)), wanted, `${path}, by read`);
    using file = famfs.open(path, { readOnly: true });
    const mapping = file.mmap({ prot: PROT_READ, length: size });
    test.equal(sha256(new Uint8Array(mapping.buffer, 0, size)), wanted, `${path}, by mapping`);
    mapping.unmap();
    test.equal(sha256(fs.readFileSync(`/${path}`) as Buffer), wanted, `${path}, by the facade`);
  }
}

/** The names of the memories. */
export function corpusNames(): string[] {
  return readdirSync(FOLDER).filter((name) => name.endsWith('.json')).map((name) => name.replace('.json', ''));
}

/** Unpacks a memory into `folder`, as a sparse file, and returns its path. */
export function unpack(name: string, folder: string): string {
  execFileSync('tar', ['-xSJf', join(FOLDER, `${name}.tar.xz`), '-C', folder]);
  return join(folder, `${name}.img`);
}

/** Checks that a device has a memory of the corpus: every field and every byte, by read, by mapping and by the facade. */
export function checkMemory(test: Test, device: DaxDevice, name: string): void {
  const manifest = JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8')) as Manifest;
  const famfs = mountFamfs(device, { systemUuidFile: systemUuidFile(test), onWarning: (message) => test.fail(message) });
  checkSuperblock(test, famfs, manifest);
  checkEntries(test, device, manifest.entries);
  test.equal(famfs.role, 'master');
  test.equal(famfs.damage, undefined);
  checkFiles(test, famfs, manifest.entries);
  famfs.unmount();
}
