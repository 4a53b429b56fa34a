// The times of inodes, stored and read to the nanosecond and up to 2446, and what else chown and truncation change: compared with
// debugfs, and with the kernel's behaviour on tmpfs.

import * as nodeFs from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { check, mount, S_IFREG, type Ext2, type Ext2Inode } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { afterDebugfs, debugfs, e2fsck, e2fsprogsMissing, formatted, ImageDevice, mke2fs, shm } from '../helpers/ext2-image.js';

const skip = e2fsprogsMissing() ?? false;
const OWNER = { uid: 0, gid: 0 };
const quietly = { owner: OWNER, onWarning: () => undefined };

const NS = 1_000_000_000n;
const TIMES: [what: string, ns: bigint][] = [
  ['with digits that no double has', 1_700_000_000_123_456_789n],
  ['a nanosecond before a second', 1_700_000_000_999_999_999n],
  ['a nanosecond after one', 1_700_000_000_000_000_001n],
  ['before 1970', -1_500_000_001n],
  ['the first', -(2n ** 31n) * NS],
  ['a nanosecond before the end of 32 bits', 2n ** 31n * NS - 1n],
  ['the first of the second epoch', 2n ** 31n * NS + 1n],
  ['a nanosecond before 2446 ends it', (2n ** 34n - 2n ** 31n) * NS - 1n],
];

// `mtime: 0x6553f100:1d6f3454 -- Tue ...`: seconds, and what lies beside them.
function inDebugfs(image: Uint8Array, path: string, name: 'atime' | 'mtime' | 'ctime' | 'crtime'): bigint {
  const text = debugfs(image, `stat ${path}`).toString();
  const [, seconds, extra] = new RegExp(`^ ?${name}: 0x([0-9a-f]{8})(?::([0-9a-f]{8}))?`, 'm').exec(text) ?? [];
  const beside = BigInt(`0x${extra ?? '0'}`);
  return (BigInt.asIntN(32, BigInt(`0x${seconds ?? ''}`)) + (beside % 4n) * 2n ** 32n) * NS + beside / 4n;
}

t.test('nanoseconds are exact', { skip }, (t) => {
  const device = formatted({ inodeSize: 256 });
  const fs = mount(device, quietly);
  const inode = fs.create(fs.root, 'f');
  for (const [what, ns] of TIMES) {
    fs.setattr(inode, { atimeNs: ns, mtimeNs: ns });
    t.equal(fs.stat(inode, { nanoseconds: true }).mtimeNs, ns, what);
    // Durable on return: another mount sees it, and debugfs.
    t.equal(inDebugfs(device.content, 'f', 'mtime'), ns, `${what}: on the medium`);
    const again = mount(new ImageDevice(device.content.slice()), { ...quietly, readOnly: true });
    const { atimeNs, mtimeNs } = again.stat(again.resolve('/f'), { nanoseconds: true });
    t.strictSame({ atimeNs, mtimeNs }, { atimeNs: ns, mtimeNs: ns }, `${what}: after a mount`);
  }
  fs.utimes(inode, 5n, 6n);
  t.match(fs.stat(inode, { nanoseconds: true }), { atimeNs: 5n, mtimeNs: 6n });
  // Two that are one number of milliseconds as a double.
  fs.setattr(inode, { mtimeNs: 1_700_000_000_123_456_789n });
  fs.setattr(inode, { mtimeNs: 1_700_000_000_123_456_790n });
  t.equal(fs.stat(inode, { nanoseconds: true }).mtimeNs, 1_700_000_000_123_456_790n);
  // Whatever else changes leaves them.
  fs.chmod(inode, 0o600);
  fs.setattr(inode, { atimeMs: 1 });
  fs.unmount();
  t.equal(inDebugfs(device.content, 'f', 'mtime'), 1_700_000_000_123_456_790n);
  t.equal(e2fsck(device.content), undefined);
  t.end();
});

t.test('what debugfs stored is read to the nanosecond', { skip }, (t) => {
  const requests = ['write /dev/null f'];
  // debugfs takes seconds; the words beside them are set as they are.
  for (const name of ['atime', 'mtime', 'ctime', 'crtime']) {
    requests.push(`sif f ${name} @1700000000`, `sif f ${name}_extra ${999_999_999 * 4 + 1}`);
  }
  const fs = mount(new ImageDevice(afterDebugfs(mke2fs({ inodeSize: 256 }), requests)), { ...quietly, readOnly: true });
  const ns = (1_700_000_000n + 2n ** 32n) * NS + 999_999_999n;
  t.match(fs.stat(fs.resolve('/f'), { nanoseconds: true }), { atimeNs: ns, mtimeNs: ns, ctimeNs: ns, birthtimeNs: ns });
  t.end();
});

t.test('what cannot be stored is the nearest that can', { skip }, (t) => {
  for (const [inodeSize, last] of [[128, 2n ** 31n - 1n], [256, 2n ** 34n - 2n ** 31n - 1n]] as const) {
    const fs = mount(formatted({ inodeSize }), quietly);
    const inode = fs.create(fs.root, 'f');
    fs.utimes(inode, -(10n ** 30n), 10n ** 30n);
    t.match(fs.stat(inode, { nanoseconds: true }), { atimeNs: -(2n ** 31n) * NS, mtimeNs: last * NS }, `inodes of ${inodeSize}`);
    fs.utimes(inode, 1_999_999_999n, 1_999_999_999n);
    const expected = inodeSize === 128 ? NS : 1_999_999_999n;
    t.equal(fs.stat(inode, { nanoseconds: true }).mtimeNs, expected);
    t.throws(() => { fs.setattr(inode, { mtimeNs: 1n, mtimeMs: 1 }); }, TypeError);
    t.throws(() => { fs.setattr(inode, { mtimeNs: 1 as unknown as bigint, mode: 0 }); }, TypeError);
    t.equal(fs.stat(inode).mode, S_IFREG + 0o644, 'nothing happened');
    fs.unmount();
  }
  t.end();
});

t.test('node-dax/fs has them as bigints, and takes every digit', { skip }, async (t) => {
  const ext2 = mount(formatted({ inodeSize: 256 }), quietly);
  const fs = createFs(ext2);
  const folder = mkdtempSync(join(shm, 'node-dax-times-'));
  t.teardown(() => { rmSync(folder, { recursive: true }); });
  const host = join(folder, 'f');
  nodeFs.writeFileSync(host, '');
  fs.writeFileSync('/f', '');
  fs.utimesSync('/f', '1700000000.123456789', '-1.999999999');
  t.match(fs.statSync('/f', { bigint: true }), { atimeNs: 1_700_000_000_123_456_789n, mtimeNs: -1_999_999_999n });
  fs.utimesSync('/f', 1e-7, 1e21);
  t.match(fs.statSync('/f', { bigint: true }), { atimeNs: 100n, mtimeNs: (2n ** 34n - 2n ** 31n - 1n) * NS });
  // Where node:fs can tell a time to the last digit, both do the same.
  for (const time of [1_700_000_000.123456, '1700000000.5', 1, 0, '-1.5', new Date(1_700_000_000_500), new Date(-1500)]) {
    nodeFs.utimesSync(host, time, time);
    await fs.promises.utimes('/f', time, time);
    const { atimeNs, mtimeNs, atimeMs, mtimeMs, mtime } = nodeFs.statSync(host, { bigint: true });
    t.match(fs.statSync('/f', { bigint: true }), { atimeNs, mtimeNs, atimeMs, mtimeMs, mtime }, String(time));
    const { mtimeMs: ms, mtime: date } = nodeFs.statSync(host);
    t.match(fs.statSync('/f'), { mtimeMs: ms, mtime: date });
  }
  const fd = fs.openSync('/f', 'r+');
  fs.futimesSync(fd, '1700000000.000000001', '1700000000.999999999');
  t.match(fs.fstatSync(fd, { bigint: true }), { atimeNs: 1_700_000_000_000_000_001n, mtimeNs: 1_700_000_000_999_999_999n });
  fs.closeSync(fd);
  t.end();
});

/** What changes of a file's times while `work` is done. */
function changed(fs: Ext2, inode: Ext2Inode, work: () => void): string[] {
  fs.setattr(inode, { atimeMs: 1000, mtimeMs: 1000 });
  const before = fs.stat(inode);
  while (Date.now() === before.ctimeMs) { /* until the clock goes on */ }
  work();
  const after = fs.stat(inode);
  return (['mtimeMs', 'ctimeMs'] as const).filter((name) => after[name] !== before[name]);
}

t.test('a truncation that changes no size changes times, as ftruncate', { skip }, async (t) => {
  const device = formatted();
  const ext2 = mount(device, quietly);
  const fs = createFs(ext2);
  fs.writeFileSync('/f', 'content');
  fs.writeFileSync('/empty', '');
  const [inode, empty] = [ext2.resolve('/f'), ext2.resolve('/empty')];
  const both = ['mtimeMs', 'ctimeMs'];
  t.strictSame(changed(ext2, inode, () => { fs.truncateSync('/f', 7); }), both, 'to the same size');
  t.strictSame(changed(ext2, empty, () => { fs.truncateSync('/empty'); }), both, 'of an empty file');
  t.strictSame(changed(ext2, empty, () => { fs.closeSync(fs.openSync('/empty', 'w')); }), both, 'by O_TRUNC');
  t.strictSame(changed(ext2, empty, () => { fs.writeFileSync('/empty', ''); }), both, 'a stamp file');
  t.strictSame(changed(ext2, inode, () => { fs.closeSync(fs.openSync('/f', 'r+')); }), [], 'not by opening');
  const handle = ext2.open(inode);
  ext2.setattr(inode, { mtimeMs: 1000 });
  await handle.truncate(7);
  t.not(ext2.stat(inode).mtimeMs, 1000);
  handle.closeSync();
  // Durably so.
  const mtimeMs = ext2.stat(inode).mtimeMs;
  ext2.sync();
  const again = mount(new ImageDevice(device.content.slice()), { ...quietly, readOnly: true });
  t.equal(again.stat(again.resolve('/f')).mtimeMs, mtimeMs);
  t.end();
});

const MODES = [0o4644, 0o2644, 0o4755, 0o2755, 0o6711, 0o2745, 0o6600, 0o2610, 0o1777];

function modesAfter(chown: (mode: number) => number): Record<string, string> {
  return Object.fromEntries(MODES.map((mode) => [mode.toString(8), chown(mode).toString(8)]));
}

t.test('chown takes set-id bits away as the kernel does', { skip: process.geteuid?.() === 0 ? skip : 'only root may chown' }, (t) => {
  const ext2 = mount(formatted(), quietly);
  const fs = createFs(ext2);
  const folder = mkdtempSync(join(shm, 'node-dax-chown-'));
  t.teardown(() => { rmSync(folder, { recursive: true }); });
  for (const make of ['file', 'directory']) {
    for (const [uid, gid] of [[1, 1], [1, -1], [-1, 1], [-1, -1], [0xffffffff, 0xffffffff]] as const) {
      const by = (facade: Pick<typeof nodeFs, 'writeFileSync' | 'mkdirSync' | 'chmodSync' | 'chownSync' | 'statSync' | 'rmSync'>, path: string) =>
        modesAfter((mode) => {
          if (make === 'file') facade.writeFileSync(path, '');
          else facade.mkdirSync(path);
          facade.chmodSync(path, mode);
          facade.chownSync(path, uid, gid);
          const told = facade.statSync(path).mode;
          facade.rmSync(path, { recursive: true });
          return told;
        });
      t.strictSame(by(fs, '/x'), by(nodeFs, join(folder, 'x')), `${make}, ${uid}:${gid}`);
    }
  }
  t.end();
});

t.test('an owner of -1 stays', { skip }, (t) => {
  const ext2 = mount(formatted(), quietly);
  const inode = ext2.create(ext2.root, 'f');
  ext2.chown(inode, 70_000, 80_000);
  for (const same of [-1, 0xffffffff]) {
    ext2.chown(inode, same, 1);
    t.match(ext2.stat(inode), { uid: 70_000, gid: 1 });
    ext2.chown(inode, 70_000, same);
    t.match(ext2.stat(inode), { uid: 70_000, gid: 1 });
    ext2.chown(inode, same, 80_000);
    createFs(ext2).chownSync('/f', same, same);
    t.match(ext2.stat(inode), { uid: 70_000, gid: 80_000 });
  }
  t.throws(() => { ext2.chown(inode, -2, 0); }, RangeError);
  t.throws(() => { ext2.chown(inode, 2 ** 32, 0); }, RangeError);
  // What is given as a mode counts.
  ext2.setattr(inode, { uid: 1, mode: 0o6755 });
  t.equal(ext2.stat(inode).mode % 0o10000, 0o6755);
  ext2.unmount();
  t.equal(check(ext2.device).isClean, true);
  t.end();
});
