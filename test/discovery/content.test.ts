// contentOf(): what libblkid does not know, where it cannot be asked, and that of a large device only the ends are read.

import { spawnSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import t from 'tap';
import { contentOf, openSync } from '../../src/index.js';
import { scratchPath } from '../helpers/devices.js';

const MAIN = resolve(__dirname, '../../lib/cli/main.js');
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** A device that is zeros but for `bytes` at `pos`, and notes what was read of it. */
function device(size: number, pos: number, bytes: Uint8Array) {
  const reads: { pos: number; length: number }[] = [];
  return {
    size,
    reads,
    readSync(target: NodeJS.ArrayBufferView, at: number | bigint): number {
      const to = Buffer.from(target.buffer, target.byteOffset, target.byteLength);
      const from = Number(at);
      reads.push({ pos: from, length: to.length });
      to.fill(0);
      for (let i = 0; i < bytes.length; i++) {
        const place = pos + i - from;
        if (place >= 0 && place < to.length) to[place] = bytes[i] ?? 0;
      }
      return Math.max(0, Math.min(to.length, size - from));
    },
  };
}

const latin = (text: string): Buffer => Buffer.from(text, 'latin1');

t.test('by hand', (test) => {
  for (const [name, pos, bytes] of [
    ['famfs', 0, latin('\xff\x82\xb2\x87\0\0\0\0')],
    ['famfs', 2 * MIB, latin('\x0d\xf0\xfe\xca\xad\x0b\0\0')],
    ['NOVA', 4, latin('AVON')],
    ['PMFS', 2, latin('\xfc\xef\0\x10\0\0')],
    ['libpmemobj pool', 0, latin('PMEMOBJ\0')],
    ['DAX (devdax mode)', 4096, latin('NVDIMM_DAX_INFO\0')],
    ['bcache', 4120, Buffer.from('c68573f64e1a45ca8265f57f48ba6d81', 'hex')],
    ['bcachefs', 4120, Buffer.from('c68573f666ce90a9d96a60cf803df7ef', 'hex')],
  ] as const) {
    test.match(contentOf(device(16 * MIB, pos, bytes)), { signature: name, unasked: undefined }, name);
    test.match(contentOf(device(16 * MIB, pos + 1, bytes)), { signature: undefined }, `${name} one byte later is none`);
  }
  test.end();
});

t.test('at the end of a large device, of which little is read', (test) => {
  const size = 64 * GIB;
  const md = Buffer.alloc(4096);
  md.writeUInt32LE(0xa92b4efc, 0);
  md.writeUInt32LE(90, 8);
  const large = device(size, size - 65536, md);
  test.strictSame(contentOf(large), { signature: 'linux_raid_member' });
  test.ok(large.reads.reduce((sum, { length }) => sum + length, 0) < 16 * MIB);
  test.strictSame(contentOf(device(size, size / 2, md)), { signature: undefined });
  test.end();
});

t.test('pages that cannot be read are passed over, but not the first', (test) => {
  const bad = (from: number) => {
    const good = device(16 * MIB, 0x410, latin('\x8f\x13'));
    return {
      size: good.size,
      readSync: (target: NodeJS.ArrayBufferView, at: number | bigint): number => {
        if (Number(at) >= from) throw new Error('poisoned');
        return good.readSync(target, at);
      },
    };
  };
  test.strictSame(contentOf(bad(128 * 1024)), { signature: undefined });
  test.throws(() => contentOf(bad(0)), { message: 'poisoned' });
  test.end();
});

t.test('a device longer than any file', (test) => {
  test.match(contentOf(device(2 ** 53 - 4096, 0, latin('XFSB'))), { signature: 'xfs', unasked: undefined });
  test.match(contentOf(device(2 ** 53 - 4096, 0, latin(''))), { signature: undefined, unasked: /no copy.*node-dax knows by itself/ });
  test.end();
});

// In a namespace of its own, where the folder of wipefs is empty.
function withoutWipefs(...args: string[]) {
  const script = 'mount -t tmpfs none "$(dirname "$(command -v wipefs)")" && exec "$@"';
  const words = ['-rm', 'sh', '-c', script, 'sh', process.execPath, MAIN, ...args];
  return spawnSync('unshare', words, { encoding: 'utf8', env: { ...process.env, PATH: '/usr/bin:/bin:/usr/sbin:/sbin' } });
}

const unshared = withoutWipefs('--version').status === 0;

t.test('where util-linux is not installed', { skip: !unshared && 'needs the right to unshare(1) and to mount' }, (test) => {
  const path = scratchPath(test, '/dev/shm');
  writeFileSync(path, 'XFSB');
  truncateSync(path, 8 * MIB);
  test.match(withoutWipefs('ext2', 'mkfs', path), { status: 1, stderr: /carries xfs/ }, 'no less than the table');
  writeFileSync(path, '');
  truncateSync(path, 8 * MIB);
  test.match(withoutWipefs('ext2', 'mkfs', path), { status: 0, stderr: /^$/ }, 'of zeros nobody needs to be asked');
  writeFileSync(path, 'text');
  truncateSync(path, 8 * MIB);
  const made = withoutWipefs('ext2', 'mkfs', path);
  test.match(made, { status: 0, stderr: /wipefs \(util-linux\) is not installed: only what node-dax knows by itself was looked for/ });
  using device = openSync(path, { readOnly: true });
  test.match(contentOf(device), { signature: 'ext2, ext3 or ext4' });
  test.end();
});
