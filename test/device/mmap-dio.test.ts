// A mapped file as the source and the target of I/O on another (after t_mmap_dio of xfstests: generic/413, 605): from a mapping of
// one kind of file to a file of each kind and back, buffered and with O_DIRECT.

import { closeSync, constants, fsyncSync, openSync as fsOpenSync, readSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import type { Test } from 'tap';
import { openSync, type DaxDevice } from 'node-dax';
import { onDevices, scratchPath, type TestDevice } from '../helpers/devices.js';
import { IN_GUEST } from '../helpers/guest.js';
import { LONG } from '../helpers/thorough.js';

const KIB = 1024;
const MIB = 1024 * KIB;
// The largest of them in the long run alone: it is the same again.
const SIZES = [KIB, 4 * KIB, 16 * MIB, ...(LONG ? [64 * MIB] : [])];
const SOURCES = ['an ordinary file', 'a tmpfs file', 'a file on ext4 -o dax', 'a file on xfs -o dax'];
const TARGETS: Readonly<Record<string, string | undefined>> = {
  'an ordinary file': tmpdir(),
  'a tmpfs file': '/dev/shm',
  'ext4 -o dax': process.env['NODE_DAX_TEST_EXT4'],
  'xfs -o dax': process.env['NODE_DAX_TEST_XFS'],
};

// Distinct in every page.
function fill(map: Uint8Array): void {
  for (let at = 0; at < map.byteLength; at += KIB) map.fill(1 + ((at / KIB) % 251), at, at + KIB);
}

// O_DIRECT where the file takes it, and the size is a multiple of its blocks.
function openTarget(path: string, direct: boolean): number | undefined {
  try {
    return fsOpenSync(path, constants.O_RDWR + constants.O_CREAT + (direct ? constants.O_DIRECT : 0), 0o600);
  } catch (error) {
    if (direct && (error as { code?: string }).code === 'EINVAL') return undefined;
    throw error;
  }
}

function transfer(test: Test, fd: number, map: Uint8Array, what: string): void {
  test.equal(writeSync(fd, map, 0, map.byteLength, 0), map.byteLength, `${what}: written from the map`);
  fsyncSync(fd);
  map.fill(0);
  test.equal(readSync(fd, map, 0, map.byteLength, 0), map.byteLength, `${what}: read into it`);
}

function check(test: Test, source: DaxDevice, map: Uint8Array, expected: Uint8Array, what: string): void {
  source.persist(0, map.byteLength);
  test.ok(Buffer.from(map.buffer, map.byteOffset, map.byteLength).equals(expected), `${what}: the same`);
  const again = Buffer.alloc(map.byteLength);
  source.readSync(again, 0);
  test.ok(again.equals(expected), `${what}: by read(2) too`);
}

onDevices('a mapped file is the source and the target of I/O on another file', SOURCES, (test, wanted: TestDevice) => {
  for (const size of SIZES) {
    for (const [name, folder] of Object.entries(TARGETS)) {
      // What needs no DAX is run on the host, many times as fast.
      if (folder === undefined || (IN_GUEST && !wanted.isDax && !name.endsWith('dax'))) continue;
      const path = scratchPath(test, dirname(wanted.path));
      const source = openSync(path, { size });
      const map = source.view(0, size);
      fill(map);
      const expected = Buffer.from(map);
      const target = scratchPath(test, folder);
      for (const direct of [false, true]) {
        const what = `${size} bytes, ${name}, ${direct ? 'O_DIRECT' : 'buffered'}`;
        const fd = openTarget(target, direct);
        if (fd === undefined) {
          test.comment(`${what}: refused by the file`);
          continue;
        }
        try {
          transfer(test, fd, map, what);
        } catch (error) {
          // Less than a block of the device.
          if (!direct || size >= 4 * KIB || (error as { code?: string }).code !== 'EINVAL') throw error;
          test.comment(`${what}: no multiple of its blocks`);
          continue;
        } finally {
          closeSync(fd);
        }
        check(test, source, map, expected, what);
      }
      source.closeSync();
    }
  }
}, { everywhere: true });
