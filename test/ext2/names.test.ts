// Operations on names: each of POSIX's answers, and what e2fsck says afterwards.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { DaxError } from 'node-dax';
import { mkfsSync, mount, S_IFCHR, S_IFIFO, S_IFREG, S_IFSOCK, type Ext2 } from 'node-dax/ext2';
import { debugfs, describeKind, e2fsck, e2fsprogsMissing, formatted, ImageDevice, KINDS, withFile } from '../helpers/ext2-image.js';

const skip = e2fsprogsMissing() ?? false;
const OWNER = { uid: 0, gid: 0 };

function begin(options?: Parameters<typeof formatted>[0]): { device: ImageDevice; fs: Ext2 } {
  const device = formatted(options);
  return { device, fs: mount(device, { owner: OWNER }) };
}

function end(t: Test, device: ImageDevice, fs: Ext2): void {
  fs.unmount();
  t.equal(e2fsck(device.content), undefined, 'e2fsck finds nothing');
}

function answers(t: Test, table: readonly (readonly [what: string, code: string, work: () => unknown])[]): void {
  for (const [what, code, work] of table) {
    let found = 'done';
    try {
      work();
    } catch (error) {
      found = (error as DaxError).code;
    }
    t.equal(found, code, what);
  }
}

const names = (fs: Ext2, path: string) => [...fs.readdir(fs.resolve(path))].map(({ name }) => name).sort();

t.test('what POSIX refuses', { skip }, (t) => {
  const { device, fs } = begin();
  const { root } = fs;
  const dir = fs.mkdir(root, 'dir');
  const file = fs.create(root, 'file');
  const sub = fs.mkdir(dir, 'sub');
  fs.create(sub, 'file');
  fs.mkdir(root, 'empty');
  fs.symlink(root, 'link', 'file');
  fs.symlink(root, 'loop', 'loop');
  fs.symlink(root, 'dangling', 'nothing');
  fs.symlink(root, 'up', '/dir/../dir/sub');
  const long = 'x'.repeat(256);
  answers(t, [
    ['create what is there', 'EEXIST', () => fs.create(root, 'file')],
    ['create .', 'EEXIST', () => fs.create(root, '.')],
    ['create in a file', 'ENOTDIR', () => fs.create(file, 'a')],
    ['an empty name', 'EINVAL', () => fs.create(root, '')],
    ['a slash in a name', 'EINVAL', () => fs.create(root, 'a/b')],
    ['NUL in a name', 'EINVAL', () => fs.create(root, 'a\0')],
    ['a name of 256 bytes', 'ENAMETOOLONG', () => fs.create(root, long)],
    ['a name of 255 bytes', 'done', () => fs.create(root, long.slice(1))],
    ['mkdir what is there', 'EEXIST', () => fs.mkdir(root, 'link')],
    ['unlink a directory', 'EISDIR', () => { fs.unlink(root, 'dir'); }],
    ['unlink .', 'EISDIR', () => { fs.unlink(root, '.'); }],
    ['unlink nothing', 'ENOENT', () => { fs.unlink(root, 'nothing'); }],
    ['rmdir a file', 'ENOTDIR', () => { fs.rmdir(root, 'file'); }],
    ['rmdir what is not empty', 'ENOTEMPTY', () => { fs.rmdir(root, 'dir'); }],
    ['rmdir .', 'EINVAL', () => { fs.rmdir(dir, '.'); }],
    ['rmdir ..', 'ENOTEMPTY', () => { fs.rmdir(dir, '..'); }],
    ['rmdir nothing', 'ENOENT', () => { fs.rmdir(root, 'nothing'); }],
    ['link a directory', 'EPERM', () => { fs.link(dir, root, 'a'); }],
    ['link to what is there', 'EEXIST', () => { fs.link(file, root, 'link'); }],
    ['rename nothing', 'ENOENT', () => { fs.rename(root, 'nothing', root, 'a'); }],
    ['rename a directory into itself', 'EINVAL', () => { fs.rename(root, 'dir', fs.resolve('/dir/sub'), 'a'); }],
    ['rename a directory onto itself within', 'EINVAL', () => { fs.rename(root, 'dir', dir, 'dir'); }],
    ['rename .', 'EINVAL', () => { fs.rename(dir, '.', root, 'a'); }],
    ['rename a directory over a file', 'ENOTDIR', () => { fs.rename(root, 'dir', root, 'file'); }],
    ['rename a file over a directory', 'EISDIR', () => { fs.rename(root, 'file', root, 'dir'); }],
    ['rename a file over the directory above its own', 'ENOTEMPTY', () => { fs.rename(sub, 'file', root, 'dir'); }],
    ['rename over a directory with something in it', 'ENOTEMPTY', () => { fs.rename(root, 'empty', root, 'dir'); }],
    ['readlink of a file', 'EINVAL', () => fs.readlink(file)],
    ['an empty target', 'ENOENT', () => fs.symlink(root, 'a', '')],
    ['a target as long as a block', 'ENAMETOOLONG', () => fs.symlink(root, 'a', 'x'.repeat(fs.blockSize))],
    ['a target almost as long', 'done', () => fs.symlink(root, 'longest', 'x'.repeat(fs.blockSize - 1))],
    ['mknod of a regular file', 'EINVAL', () => fs.mknod(root, 'a', S_IFREG + 0o600)],
    ['open a directory', 'EISDIR', () => fs.open(dir)],
    ['open a link', 'EINVAL', () => fs.open(fs.resolve('/link', { follow: false }))],
    ['resolve a loop', 'ELOOP', () => fs.resolve('/loop')],
    ['resolve a loop itself', 'done', () => fs.resolve('/loop', { follow: false })],
    ['resolve through a loop', 'ELOOP', () => fs.resolve('/loop/a')],
    ['resolve a dangling link', 'ENOENT', () => fs.resolve('/dangling')],
    ['resolve through a file', 'ENOTDIR', () => fs.resolve('/file/a')],
    ['a slash after a file', 'ENOTDIR', () => fs.resolve('/file/')],
    ['a slash after a link to a file', 'ENOTDIR', () => fs.resolve('/link/')],
    ['nothing at all', 'ENOENT', () => fs.resolve('')],
    ['a path of 4096 bytes', 'ENAMETOOLONG', () => fs.resolve('/.'.repeat(2048))],
    ['readdir of a file', 'ENOTDIR', () => [...fs.readdir(file)]],
  ]);
  t.equal(fs.resolve('/dir/sub/..//./../link').ino, file.ino, 'dots and slashes');
  t.equal(fs.resolve('/up/..').ino, dir.ino, '.. goes up from where a link led');
  t.equal(fs.resolve('/../..').ino, root.ino, 'nothing is above the root');
  t.throws(() => fs.create(fs.root, 5 as unknown as string), TypeError);
  t.throws(() => fs.create(fs.root, 'a', 0o170644), RangeError);
  end(t, device, fs);
  t.end();
});

t.test('rename', { skip }, (t) => {
  for (const kind of KINDS) {
    t.test(describeKind(kind), (t) => {
      const { device, fs } = begin(kind);
      const { root } = fs;
      const a = fs.mkdir(root, 'a');
      const b = fs.mkdir(root, 'b');
      const file = fs.create(a, 'file');
      const other = fs.create(b, 'other');
      fs.rename(a, 'file', a, 'file');
      t.equal(fs.lookup(a, 'file')?.ino, file.ino, 'onto itself');
      fs.link(file, a, 'same');
      fs.rename(a, 'file', a, 'same');
      t.strictSame(names(fs, '/a'), ['.', '..', 'file', 'same'], 'two names of one file stay');
      fs.rename(a, 'file', b, 'other');
      t.equal(fs.lookup(b, 'other')?.ino, file.ino, 'over a file in another directory');
      t.throws(() => fs.stat(other), { code: 'ESTALE' }, 'which is gone');
      t.equal(fs.stat(file).nlink, 2);
      const sub = fs.mkdir(a, 'sub');
      fs.create(sub, 'in sub');
      fs.rename(a, 'sub', b, 'moved');
      t.equal(fs.lookup(sub, '..')?.ino, b.ino, 'a directory knows its new parent');
      t.equal(fs.stat(a).nlink, 2);
      t.equal(fs.stat(b).nlink, 3);
      fs.mkdir(a, 'empty');
      fs.rename(b, 'moved', a, 'empty');
      t.equal(fs.lookup(a, 'empty')?.ino, sub.ino, 'over an empty directory');
      t.strictSame([fs.stat(a).nlink, fs.stat(b).nlink], [3, 2]);
      // Entries at every distance from a multiple of 8, replaced by another type.
      for (let length = 1; length < 12; length++) fs.create(root, 'f'.repeat(length));
      for (let length = 1; length < 12; length++) {
        const link = fs.symlink(a, 'new', 'target');
        fs.rename(a, 'new', root, 'f'.repeat(length));
        t.equal(fs.lookup(root, 'f'.repeat(length))?.ino, link.ino);
      }
      end(t, device, fs);
      t.end();
    });
  }
  t.end();
});

t.test('names are bytes', { skip }, (t) => {
  const { device, fs } = begin();
  const bytes = Buffer.from([0xff, 0x20, 0xe4, 0x0a]);
  const file = fs.create(fs.root, bytes);
  fs.create(fs.root, 'Grüße 🗄');
  t.equal(fs.lookup(fs.root, bytes)?.ino, file.ino);
  t.equal(fs.resolve(Buffer.concat([Buffer.from('/'), bytes])).ino, file.ino);
  t.equal(fs.lookup(fs.root, Buffer.from('Grüße 🗄'))?.ino, fs.resolve('/Grüße 🗄').ino);
  const found = [...fs.readdir(fs.root)].find(({ ino }) => ino === file.ino);
  t.equal(found?.name, '\ufffd \ufffd\n');
  t.ok(bytes.equals(found?.bytes ?? new Uint8Array()));
  end(t, device, fs);
  t.match(debugfs(device.content, 'stat "/Grüße 🗄"').toString(), /Type: regular/);
  t.end();
});

t.test('readdir while the directory changes', { skip }, (t) => {
  const { device, fs } = begin({ size: 8 * 1024 * 1024, more: ['-N', '4000'] });
  const dir = fs.mkdir(fs.root, 'dir');
  const kept: string[] = [];
  for (let i = 0; i < 1000; i++) {
    fs.create(dir, `file-${i}`);
    if (i % 2 === 0) kept.push(`file-${i}`);
  }
  const seen: string[] = [];
  let step = 0;
  for (const { name } of fs.readdir(dir)) {
    seen.push(name);
    const other = `file-${(step * 2 + 1) % 1000}`;
    if (fs.lookup(dir, other) !== undefined) fs.unlink(dir, other);
    fs.create(dir, `new-${step++}-${'n'.repeat(step % 90)}`);
    if (step > 3000) break;
  }
  for (const name of kept) t.equal(seen.filter((other) => other === name).length, 1, `${name} comes once`);
  const part = [];
  for (const { name, next } of fs.readdir(dir)) {
    part.push(name);
    if (part.length < 100) continue;
    for (const entry of fs.readdir(dir, next)) part.push(entry.name);
    break;
  }
  t.strictSame(part, [...fs.readdir(dir)].map(({ name }) => name), 'goes on where it was left');
  end(t, device, fs);
  t.end();
});

t.test('an open file lives on', { skip }, (t) => {
  const { device, fs } = begin();
  const free = fs.statfs();
  const files = [0, 1, 2, 3].map((number) => {
    const file = fs.open(fs.create(fs.root, `file${number}`));
    file.writeSync(Buffer.alloc(50_000, number + 1), 0);
    return file;
  });
  for (const number of [0, 1, 2, 3]) fs.unlink(fs.root, `file${number}`);
  t.strictSame(names(fs, '/'), ['.', '..', 'lost+found']);
  for (const [number, file] of files.entries()) {
    const bytes = Buffer.alloc(50_000);
    file.writeSync(Buffer.from('still'), 60_000);
    t.equal(file.readSync(bytes, 0), 50_000);
    t.ok(bytes.equals(Buffer.alloc(50_000, number + 1)));
  }
  t.throws(() => { fs.unmount(); }, { code: 'EBUSY' });
  // From the middle of the list, from its end, and from its start.
  for (const number of [2, 0, 3, 1]) files[number]?.closeSync();
  t.equal(files[0]?.isOpen, false);
  t.strictSame(fs.statfs(), free, 'everything is free again');
  const again = fs.create(fs.root, 'again');
  t.throws(() => fs.open(files[0]?.inode ?? again), { code: 'ESTALE' });
  end(t, device, fs);
  t.end();
});

t.test('close waits for what was begun', { skip }, async (t) => {
  const { device, fs } = begin({ blockSize: 4096, size: 16 * 1024 * 1024 });
  const file = fs.open(fs.create(fs.root, 'a'));
  const bytes = Buffer.alloc(2 * 1024 * 1024, 'A');
  const writes = [0, 1, 2].map((number) => file.write(bytes, number * bytes.length));
  await file.close();
  end(t, device, fs);
  t.strictSame(await Promise.all(writes), [bytes.length, bytes.length, bytes.length]);
});

t.test('closeSync does not wait, and only the last one has to', { skip }, async (t) => {
  const { device, fs } = begin();
  const file = fs.open(fs.create(fs.root, 'a'));
  const other = fs.open(file.inode);
  file.writeSync(Buffer.alloc(4096, 'A'), 0);
  const read = file.read(Buffer.alloc(4096), 0);
  other.closeSync();
  t.throws(() => { file.closeSync(); }, { code: 'EAGAIN', syscall: 'close' });
  t.equal(file.isOpen, true);
  t.equal(await read, 4096);
  file.closeSync();
  end(t, device, fs);
});

t.test('a closed file is of no use', { skip }, async (t) => {
  const { device, fs } = begin();
  const file = fs.open(fs.create(fs.root, 'a'));
  const bytes = Buffer.alloc(4096, 'A');
  file.writeSync(bytes, 0);
  file.closeSync();
  answers(t, [
    ['read', 'EBADF', () => file.readSync(bytes, 0)],
    ['read nothing', 'EBADF', () => file.readSync(Buffer.alloc(0), 0)],
    ['write', 'EBADF', () => file.writeSync(bytes, 0)],
    ['append', 'EBADF', () => file.appendSync(bytes)],
    ['truncate', 'EBADF', () => { file.truncateSync(0); }],
    ['punch a hole', 'EBADF', () => { file.punchHoleSync(0, 4096); }],
    ['zero', 'EBADF', () => { file.zeroRangeSync(0, 4096); }],
    ['map', 'EBADF', () => file.mmap()],
    ['fsync', 'EBADF', () => { file.fsync(); }],
    ['close again', 'done', () => { file.closeSync(); }],
  ]);
  const closed = { code: 'EBADF', message: /it was closed/ };
  const works: (() => Promise<unknown>)[] = [
    () => file.read(bytes, 0),
    () => file.write(bytes, 0),
    () => file.append(bytes),
    () => file.truncate(0),
    () => file.punchHole(0, 4096),
    () => file.zeroRange(0, 4096),
  ];
  for (const work of works) await t.rejects(work(), closed);
  const again = fs.open(file.inode);
  t.equal(again.readSync(bytes, 0), 4096);
  t.ok(bytes.equals(Buffer.alloc(4096, 'A')), 'another handle is not concerned');
  again.closeSync();
  end(t, device, fs);
});

t.test('the list of orphans survives, and is worked off', { skip }, (t) => {
  const { device, fs } = begin();
  const free = fs.statfs();
  for (const number of [0, 1, 2]) {
    fs.open(fs.create(fs.root, `file${number}`)).writeSync(Buffer.alloc(50_000, 1), 0);
    fs.setxattr(fs.resolve(`/file${number}`), 'user.a', Buffer.alloc(200));
    fs.unlink(fs.root, `file${number}`);
  }
  fs.sync();
  const warnings: string[] = [];
  // What a power cut leaves.
  const later = new ImageDevice(Buffer.from(device.content));
  const again = mount(later, { owner: OWNER, onWarning: (message) => { warnings.push(message); } });
  t.match(warnings, [/not cleanly unmounted/, /^3 files that had no name/]);
  t.match(again.statfs(), { freeBlocks: free.freeBlocks, freeInodes: free.freeInodes });
  again.reclaim();
  end(t, later, again);
  t.end();
});

t.test('a filesystem that may be changed is mounted once', { skip }, (t) => {
  const { device, fs } = begin();
  const busy = { code: 'EBUSY', syscall: 'mount' };
  t.throws(() => mount(device), busy);
  t.throws(() => mount(device), busy, 'the second time too');
  t.throws(() => mount(device, { readOnly: true }), busy, 'nor read by others meanwhile');
  t.throws(() => mkfsSync(device, { force: true }), { code: 'EBUSY', syscall: 'mkfs' });
  const reader = mount(device, { readOnly: true, lock: false, onWarning: () => undefined });
  t.equal(reader.readOnly, true, 'unless by who knows better');
  reader.unmount();
  t.throws(() => mount(device), busy, 'whose end is no end of the lock');
  fs.unmount();
  const readers = [mount(device, { readOnly: true }), mount(device, { readOnly: true })];
  t.throws(() => mount(device), busy, 'while others read');
  for (const one of readers) one.unmount();
  const again = mount(device, { owner: OWNER });
  t.throws(() => mount(device), busy);
  end(t, device, again);
  t.end();
});

t.test('values of attributes are bytes', { skip }, (t) => {
  const { device, fs } = begin();
  const file = fs.create(fs.root, 'a');
  const text = 'hello' as unknown as Uint8Array;
  t.throws(() => { fs.setxattr(file, 'user.s', text); }, TypeError);
  t.throws(() => { fs.setxattr(file, 'user.s', Buffer.from('hello'), 'Create' as 'create'); }, TypeError);
  t.strictSame(fs.listxattr(file), []);
  fs.setxattr(file, 'user.s', Buffer.from('hello'), 'create');
  t.throws(() => { fs.setxattr(file, 'user.s', Buffer.from('hello'), 'create'); }, { code: 'EEXIST' });
  end(t, device, fs);
  t.end();
});

t.test('a mount that fails leaves the device as free as it was', { skip }, (t) => {
  const device = formatted();
  t.throws(() => mount(device, { mountPoint: 5 as unknown as string }), TypeError);
  for (const owner of [{ uid: -1, gid: 0 }, { uid: 0, gid: 1.5 }, { uid: 2 ** 32, gid: 0 }]) t.throws(() => mount(device, { owner }), RangeError);
  mount(device, { owner: OWNER });
  // What a power cut leaves.
  const unclean = new ImageDevice(Buffer.from(device.content));
  const strict = (message: string) => { throw new Error(message); };
  t.throws(() => mount(unclean, { onWarning: strict }), /not cleanly unmounted/);
  t.throws(() => mount(unclean, { onWarning: strict }), /not cleanly unmounted/);
  const fs = mount(unclean, { owner: OWNER, onWarning: () => undefined });
  t.throws(() => mount(unclean), { code: 'EBUSY' });
  fs.reclaim();
  end(t, unclean, fs);
  t.end();
});

t.test('devices, fifos and sockets', { skip }, (t) => {
  const { device, fs } = begin();
  fs.mknod(fs.root, 'old', S_IFCHR + 0o620, { major: 5, minor: 1 });
  fs.mknod(fs.root, 'new', S_IFCHR + 0o620, { major: 300, minor: 70_000 });
  fs.mknod(fs.root, 'fifo', S_IFIFO + 0o600);
  fs.mknod(fs.root, 'socket', S_IFSOCK + 0o600);
  t.throws(() => fs.mknod(fs.root, 'a', S_IFCHR, { major: 4096, minor: 0 }), RangeError);
  fs.unmount();
  t.match(debugfs(device.content, 'stat /old').toString(), /Device major\/minor number: 05:01/);
  t.match(debugfs(device.content, 'stat /new').toString(), /Device major\/minor number: 300:70000/);
  const again = mount(device);
  t.strictSame(again.stat(again.resolve('/new')).device, { major: 300, minor: 70_000 });
  t.strictSame(again.stat(again.resolve('/old')).device, { major: 5, minor: 1 });
  t.equal(again.stat(again.resolve('/fifo')).mode, S_IFIFO + 0o600);
  end(t, device, again);
  t.end();
});

t.test('an index of a directory is read over, and goes when the directory changes', { skip }, (t) => {
  const made = begin({ size: 8 * 1024 * 1024, more: ['-N', '4000'] });
  const into = made.fs.mkdir(made.fs.root, 'dir');
  for (let i = 0; i < 2000; i++) made.fs.create(into, `file-${i}`);
  made.fs.unmount();
  const device = new ImageDevice(indexed(made.device.content));
  t.match(debugfs(device.content, 'stat /dir').toString(), /Flags: 0x1000/, 'e2fsck made an index');
  const fs = mount(device, { owner: OWNER });
  const dir = fs.resolve('/dir');
  t.equal([...fs.readdir(dir)].length, 2002);
  t.equal(fs.lookup(dir, 'file-1234')?.isRegular, true);
  fs.unlink(dir, 'file-1234');
  for (let i = 0; i < 300; i++) fs.create(dir, `new-${i}`);
  t.equal(fs.stat(dir).flags, 0);
  end(t, device, fs);
  t.end();
});

// e2fsck -D makes indexes of large directories. Its exit status says that it changed something.
function indexed(image: Uint8Array): Uint8Array {
  return withFile((path) => {
    writeFileSync(path, image);
    spawnSync('e2fsck', ['-fyD', path], { stdio: 'ignore' });
    return new Uint8Array(readFileSync(path));
  });
}

t.test('two names are exchanged', { skip }, (t) => {
  const { device, fs } = begin();
  const dirs = [fs.mkdir(fs.root, 'one'), fs.mkdir(fs.root, 'two')] as const;
  const [file, moved] = [fs.create(dirs[0], 'a'), fs.mkdir(dirs[1], 'b')];
  fs.exchange(dirs[0], 'a', dirs[1], 'b');
  t.equal(fs.lookup(dirs[0], 'a')?.ino, moved.ino);
  t.equal(fs.lookup(dirs[1], 'b')?.ino, file.ino);
  t.equal(fs.lookup(moved, '..')?.ino, dirs[0].ino);
  t.strictSame([fs.stat(dirs[0]).nlink, fs.stat(dirs[1]).nlink], [3, 2]);
  answers(t, [
    ['a directory with what is in it', 'EINVAL', () => { fs.exchange(fs.root, 'one', dirs[0], 'a'); }],
    ['a name that is not there', 'ENOENT', () => { fs.exchange(dirs[0], 'a', dirs[1], 'c'); }],
    ['. of a directory', 'EINVAL', () => { fs.exchange(dirs[0], '.', dirs[1], 'b'); }],
    ['a name with itself', 'done', () => { fs.exchange(dirs[0], 'a', dirs[0], 'a'); }],
  ]);
  t.strictSame([names(fs, '/one'), names(fs, '/two')], [['.', '..', 'a'], ['.', '..', 'b']]);
  end(t, device, fs);
  t.end();
});

t.test('a file without a name is deleted unless it gets one', { skip }, (t) => {
  const { device, fs } = begin();
  const { freeInodes } = fs.statfs();
  const lost = fs.tmpfile(fs.root, 0o640);
  const kept = fs.tmpfile(fs.root);
  t.strictSame([fs.stat(lost).nlink, fs.stat(lost).mode], [0, S_IFREG + 0o640]);
  fs.link(kept, fs.root, 'kept');
  fs.link(kept, fs.root, 'again');
  fs.release(lost);
  fs.release(kept);
  t.throws(() => fs.stat(lost), { code: 'ESTALE' });
  t.equal(fs.lookup(fs.root, 'kept')?.nlink, 2);
  t.equal(fs.statfs().freeInodes, freeInodes - 1);
  end(t, device, fs);
  t.end();
});

t.test('flags are changed as chattr changes them, and honoured', { skip }, (t) => {
  const { device, fs } = begin();
  const file = fs.create(fs.root, 'file');
  fs.setFlags(file, 0x10 + 0x80 + 0x20000 + 0x1000);
  t.equal(fs.stat(file).flags, 0x90, 'a file has no flags of directories, and nobody sets those of the filesystem itself');
  answers(t, [
    ['open to write', 'EPERM', () => fs.open(file)],
    ['chmod', 'EPERM', () => { fs.chmod(file, 0); }],
    ['unlink', 'EPERM', () => { fs.unlink(fs.root, 'file'); }],
  ]);
  fs.setFlags(file, 0);
  fs.unlink(fs.root, 'file');
  end(t, device, fs);
  t.end();
});

t.test('more inodes than are kept in memory', { skip, timeout: 600_000 }, (t) => {
  const device = formatted({ size: 64 * 1024 * 1024, more: ['-N', '24000'] });
  const fs = mount(device, { owner: OWNER });
  const dir = fs.mkdir(fs.root, 'dir');
  const first = fs.create(dir, 'first');
  const gone = fs.create(dir, 'gone');
  const opened = fs.open(fs.create(dir, 'open'));
  fs.setxattr(first, 'user.a', Buffer.from('a'));
  fs.unlink(dir, 'gone');
  for (let i = 0; i < 20_000; i++) fs.create(dir, `file-${i}`);
  // What changed is kept until it is on the medium.
  fs.sync();
  for (let i = 0; i < 20_000; i++) fs.lookup(dir, `file-${i}`);
  t.equal(fs.stat(first).ino, first.ino, 'is read again');
  t.equal(Buffer.from(fs.getxattr(first, 'user.a')).toString(), 'a');
  fs.chmod(first, 0o600);
  t.equal(fs.stat(fs.resolve('/dir/first')).mode, S_IFREG + 0o600);
  t.throws(() => fs.stat(gone), { code: 'ESTALE' });
  const again = fs.resolve('/dir/first');
  fs.unlink(dir, 'first');
  t.throws(() => fs.stat(first), { code: 'ESTALE' });
  t.throws(() => fs.stat(again), { code: 'ESTALE' });
  opened.writeSync(Buffer.from('open'), 0);
  opened.closeSync();
  const reused = fs.create(dir, 'reused');
  t.throws(() => fs.stat(first), { code: 'ESTALE' }, `inode ${reused.ino} is another file's now`);
  end(t, device, fs);
  t.end();
});
