// Extended attributes on every kind of inode, full or not, in the form of e2fsprogs and the kernel: checked by e2fsck, by debugfs,
// and by getfattr and getfacl on a mount of the kernel.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { check, describeFinding, mount, type Ext2 } from 'node-dax/ext2';
import { afterDebugfs, debugfs, e2fsck, e2fsprogsMissing, formatted, ImageDevice, mke2fs, shm, withFile } from '../helpers/ext2-image.js';
import { sample } from '../helpers/thorough.js';
import { loopMountMissing, withKernelMount } from '../helpers/kernel-mount.js';
import { installed } from '../helpers/installed.js';

const skip = e2fsprogsMissing() ?? false;
const noKernel = loopMountMissing() ?? installed('getfattr', 'attr') ?? installed('setfacl', 'acl') ?? false;
const OWNER = { uid: 0, gid: 0 };
const quietly = { owner: OWNER, onWarning: () => undefined };

/** Ends the use of a filesystem; neither e2fsck nor the own check has anything to say. */
function end(t: Test, fs: Ext2, what: string): Uint8Array {
  fs.unmount();
  const { content: memory } = fs.device as unknown as ImageDevice;
  t.equal(e2fsck(memory), undefined, `${what}: e2fsck`);
  t.strictSame(check(new ImageDevice(memory)).findings.map(describeFinding), [], `${what}: check`);
  return memory;
}

function valuesOf(fs: Ext2, path: string): Record<string, string> {
  const inode = fs.resolve(path);
  const values: Record<string, string> = {};
  for (const name of fs.listxattr(inode)) values[String(name)] = Buffer.from(fs.getxattr(inode, name)).toString();
  return values;
}

/** What the kernel has of a file's attributes that begin with `user.`. */
function inKernel(image: Uint8Array, path: string): Record<string, string> {
  return withFile((file) => {
    writeFileSync(file, image);
    return withKernelMount(file, { options: ['ro'] }, ({ root }) => {
      const told = execFileSync('getfattr', ['-d', '--absolute-names', join(root, path)], { encoding: 'utf8' });
      return Object.fromEntries([...told.matchAll(/^(user\..*?)="(.*)"$/gm)].map(([, name, value]) => [name ?? '', value ?? '']));
    });
  });
}

/** A program of e2fsprogs, or busybox, that changes an image. */
function changed(image: Uint8Array, program: string, ...args: string[]): Uint8Array {
  return withFile((path) => {
    writeFileSync(path, image);
    execFileSync(program, [...args, path], { stdio: ['ignore', 'ignore', 'ignore'] });
    return new Uint8Array(readFileSync(path));
  });
}

t.test('revision 0 becomes 1 with the first attribute', { skip }, (t) => {
  const fs = mount(new ImageDevice(mke2fs({ revision: 0, inodeSize: 128 })), quietly);
  const inode = fs.create(fs.root, 'f');
  t.throws(() => fs.getxattr(inode, 'user.a'), { code: 'ENODATA' });
  t.throws(() => { fs.removexattr(inode, 'user.a'); }, { code: 'ENODATA' });
  t.match(fs.superblock, { s_rev_level: 0, s_feature_compat: 0 }, 'not by looking');
  fs.setxattr(inode, 'user.a', Buffer.from('value'));
  t.match(fs.superblock, { s_rev_level: 1, s_first_ino: 11, s_inode_size: 128, s_feature_compat: 8, s_feature_incompat: 0, s_feature_ro_compat: 0 });
  fs.mkdir(fs.root, 'd');
  const memory = end(t, fs, 'after it');
  t.match(debugfs(memory, 'ea_list f').toString(), /user\.a \(5\) = "value"/);
  const again = mount(new ImageDevice(memory), quietly);
  t.strictSame(valuesOf(again, '/f'), { 'user.a': 'value' });
  again.removexattr(again.resolve('/f'), 'user.a');
  end(t, again, 'without it again');
  t.end();
});

t.test('inodes of 256 bytes without i_extra_isize', { skip: skip === false ? noKernel : skip }, (t) => {
  const small = changed(afterDebugfs(mke2fs({ inodeSize: 128 }), ['write /dev/null f']), 'tune2fs', '-I', '256');
  const kinds: [string, Uint8Array][] = [
    ['tune2fs -I 256', small],
    ['debugfs', afterDebugfs(mke2fs({ inodeSize: 256 }), ['write /dev/null f', 'sif f extra_isize 0'])],
  ];
  const busybox = installed('busybox', 'busybox-static');
  if (busybox === undefined) {
    const blank = withFile((path) => {
      writeFileSync(path, new Uint8Array(1024 * 1024));
      execFileSync('busybox', ['mke2fs', '-F', '-I', '256', path], { stdio: ['ignore', 'ignore', 'ignore'] });
      return new Uint8Array(readFileSync(path));
    });
    // Its root has none: one that has comes from us.
    kinds.push(['busybox mke2fs', afterDebugfs(blank, ['write /dev/null f', 'sif f extra_isize 0'])]);
  }
  for (const [what, image] of kinds) {
    const fs = mount(new ImageDevice(image), quietly);
    for (const path of ['/f', '/']) fs.setxattr(fs.resolve(path), 'user.a', Buffer.from('seen'));
    const memory = end(t, fs, what);
    t.strictSame(inKernel(memory, 'f'), { 'user.a': 'seen' }, `${what}: the kernel sees it`);
    const touched = withFile((path) => {
      writeFileSync(path, memory);
      withKernelMount(path, {}, ({ fs, root }) => {
        fs.chmodSync(join(root, 'f'), 0o600);
        fs.chmodSync(root, 0o700);
      });
      return new Uint8Array(readFileSync(path));
    });
    const again = mount(new ImageDevice(touched), quietly);
    t.equal(again.stat(again.resolve('/f')).mode % 0o10000, 0o600);
    for (const path of ['/f', '/']) t.strictSame(valuesOf(again, path), { 'user.a': 'seen' }, `${what}: ${path} after its touch`);
    again.removexattr(again.resolve('/f'), 'user.a');
    end(t, again, `${what}, removed`);
  }
  t.end();
});

/** A file whose attributes fill its inode and its block: those in the inode are `inBody`. */
function filled(values: readonly [name: string, length: number][], options = { blockSize: 1024, inodeSize: 256 }): { fs: Ext2; expected: Record<string, string> } {
  const fs = mount(formatted(options), quietly);
  const inode = fs.create(fs.root, 'f');
  const expected: Record<string, string> = {};
  for (const [index, [name, length]] of values.entries()) {
    const value = String.fromCharCode(97 + index).repeat(length);
    fs.setxattr(inode, `user.${name}`, Buffer.from(value));
    expected[`user.${name}`] = value;
  }
  return { fs, expected };
}

const FULL: [string, number][] = [['one', 8], ['two', 8], ['rest', 900]];

t.test('full attributes can be removed, and made shorter', { skip: skip === false ? noKernel : skip }, (t) => {
  for (const name of ['user.one', 'user.two', 'user.rest']) {
    const { fs, expected } = filled(FULL);
    t.throws(() => { fs.setxattr(fs.resolve('/f'), 'user.more', Buffer.alloc(100)); }, { code: 'ENOSPC' }, 'it is full');
    fs.removexattr(fs.resolve('/f'), name);
    const rest = Object.fromEntries(Object.entries(expected).filter(([key]) => key !== name));
    t.strictSame(valuesOf(fs, '/f'), rest, `without ${name}`);
    // What was there has room again.
    const again = mount(new ImageDevice((fs.device as unknown as ImageDevice).content.slice()), { ...quietly, reclaim: true });
    again.setxattr(again.resolve('/f'), name, Buffer.from(expected[name] ?? ''));
    t.strictSame(valuesOf(again, '/f'), expected, `${name} is back`);
    end(t, again, `${name} is back`);
    const memory = end(t, fs, `without ${name}`);
    t.strictSame(inKernel(memory, 'f'), rest, `without ${name}: the kernel`);
  }
  for (const name of ['user.one', 'user.two', 'user.rest']) {
    for (const length of sample([0, 3, 7, 8], 4)) {
      const { fs, expected } = filled(FULL);
      const value = 'z'.repeat(length);
      fs.setxattr(fs.resolve('/f'), name, Buffer.from(value), 'replace');
      t.strictSame(valuesOf(fs, '/f'), { ...expected, [name]: value }, `${name} of ${length}`);
      t.strictSame(inKernel(end(t, fs, `${name} of ${length}`), 'f'), { ...expected, [name]: value });
    }
  }
  const { fs, expected } = filled(FULL);
  const before = (fs.device as unknown as ImageDevice).content.slice();
  t.throws(() => { fs.setxattr(fs.resolve('/f'), 'user.one', Buffer.alloc(100, 'x')); }, { code: 'ENOSPC' });
  t.strictSame(valuesOf(fs, '/f'), expected, 'what finds no room changes nothing');
  t.ok(Buffer.compare(before, (fs.device as unknown as ImageDevice).content) === 0);
  end(t, fs, 'after what failed');
  t.end();
});

t.test('all of them go, in any order, with no block free', { skip }, (t) => {
  const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [2, 1, 0]];
  for (const order of sample(orders, 2)) {
    const { fs } = filled([['a', 20], ['b', 20], ['c', 4]], { blockSize: 1024, inodeSize: 256 });
    const file = fs.open(fs.create(fs.root, 'big'));
    for (let pos = 0; fs.statfs().freeBlocks > 0; pos += 1024) {
      try {
        file.writeSync(Buffer.alloc(1024, 'x'), pos);
      } catch (error) {
        if ((error as { code?: string }).code !== 'ENOSPC') throw error;
        break;
      }
    }
    file.closeSync();
    const names = ['user.a', 'user.b', 'user.c'];
    for (const index of order) fs.removexattr(fs.resolve('/f'), names[index] ?? '');
    t.strictSame(fs.listxattr(fs.resolve('/f')), [], String(order));
    end(t, fs, String(order));
  }
  t.end();
});

t.test('names that are no UTF-8 can be read back', { skip }, (t) => {
  for (const long of [0, 200]) {
    const fs = mount(formatted({ inodeSize: 256 }), quietly);
    const inode = fs.create(fs.root, 'f');
    const names = ['user.plain', 'user.\u00e4\u20ac', Buffer.from('user.\xff\xfe', 'latin1'), Buffer.from('user.\xff\xfd', 'latin1')];
    for (const name of names) fs.setxattr(inode, name, Buffer.from(Buffer.from(name).toString('hex') + 'x'.repeat(long)));
    const listed = fs.listxattr(inode);
    const hex = (list: readonly (string | Uint8Array)[]) => list.map((name) => Buffer.from(name).toString('hex')).sort();
    t.strictSame(hex(listed), hex(names));
    t.equal(listed.filter((name) => typeof name === 'string').length, 2);
    for (const name of listed) t.ok(Buffer.from(fs.getxattr(inode, name)).toString().startsWith(Buffer.from(name).toString('hex')));
    for (const name of listed) fs.removexattr(inode, name);
    t.strictSame(fs.listxattr(inode), []);
    end(t, fs, `values of ${long}`);
  }
  t.end();
});

t.test("a translator's block on a filesystem of GNU/Hurd is in use", { skip }, (t) => {
  const requests = ['write /dev/null f', 'mkdir d', 'symlink s target'];
  const hurd = mke2fs({ inodeSize: 128, more: ['-o', 'hurd'] });
  let block = 2000;
  for (const path of ['f', 'd']) {
    requests.push(`sif ${path} translator ${++block}`, `setb ${block} 1`, `sif ${path} blocks ${path === 'd' ? 4 : 2}`);
  }
  // debugfs does not count what setb takes.
  const image = withFile((path) => {
    writeFileSync(path, afterDebugfs(hurd, requests));
    spawnSync('e2fsck', ['-fy', path]);
    return new Uint8Array(readFileSync(path));
  });
  t.equal(e2fsck(image), undefined);
  const device = new ImageDevice(image);
  t.strictSame(check(device).findings.map(describeFinding), []);
  device.writeSync(Buffer.alloc(1), 1024 + 58); // not cleanly unmounted
  const fs = mount(device, { ...quietly, reclaim: true });
  t.strictSame(fs.reclaim(), { blocks: 0, inodes: 0, counts: 0, names: 0 });
  t.equal(Buffer.from(fs.readlink(fs.resolve('/s', { follow: false }))).toString(), 'target');
  t.match(debugfs(device.content, 'stat f').toString(), /Translator: 2001/);
  const free = fs.statfs().freeBlocks;
  fs.setxattr(fs.resolve('/f'), 'user.a', Buffer.from('x'));
  fs.chmod(fs.resolve('/f'), 0o600);
  t.match(debugfs(device.content, 'stat f').toString(), /Translator: 2001/, 'it stays');
  fs.unlink(fs.root, 'f');
  fs.rmdir(fs.root, 'd');
  fs.unlink(fs.root, 's');
  t.equal(fs.statfs().freeBlocks, free + 3, 'and goes with the file');
  end(t, fs, 'without them');
  t.end();
});

t.test('the file of orphans is nobody lost', { skip: skip === false ? noKernel : skip }, (t) => {
  const blank = withFile((path) => {
    writeFileSync(path, new Uint8Array(4 * 1024 * 1024));
    execFileSync('mke2fs', ['-q', '-F', '-t', 'ext3', '-O', 'orphan_file', path], { stdio: ['ignore', 'ignore', 'ignore'] });
    return new Uint8Array(readFileSync(path));
  });
  t.strictSame(check(new ImageDevice(blank)).findings.map(describeFinding), [], 'a fresh one');
  const device = new ImageDevice(blank);
  device.writeSync(Buffer.alloc(1), 1024 + 58);
  const fs = mount(device, quietly);
  t.strictSame(fs.reclaim(), { blocks: 0, inodes: 0, counts: 0, names: 0 });
  fs.create(fs.root, 'f');
  const memory = end(t, fs, 'after reclaim');
  withFile((path) => {
    writeFileSync(path, memory);
    withKernelMount(path, { type: 'ext4' }, ({ fs, root }) => { t.strictSame(fs.readdirSync(root).sort(), ['f', 'lost+found']); });
  });
  t.end();
});

/** Bytes of an ACL as setxattr(2) takes them. */
function acl(entries: readonly (readonly [tag: number, permissions: number, id?: number])[], version = 2): Buffer {
  const bytes = Buffer.alloc(4 + 8 * entries.length);
  bytes.writeUInt32LE(version, 0);
  for (const [index, [tag, permissions, id = 0xffffffff]] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + 8 * index);
    bytes.writeUInt16LE(permissions, 6 + 8 * index);
    bytes.writeUInt32LE(id, 8 + 8 * index);
  }
  return bytes;
}

const ACCESS = 'system.posix_acl_access';
const DEFAULT = 'system.posix_acl_default';
const NAMED = [[1, 6], [2, 4, 70_000], [4, 5], [8, 1, 80_000], [0x10, 5], [0x20, 0]] as const;

t.test('ACLs come and go as getxattr(2) and setxattr(2) have them', { skip: skip === false ? noKernel : skip }, (t) => {
  for (const inodeSize of [128, 256]) {
    const folder = mkdtempSync(join(shm, 'node-dax-acl-'));
    t.teardown(() => { rmSync(folder, { recursive: true }); });
    const path = join(folder, 'image');
    writeFileSync(path, mke2fs({ inodeSize }));
    const hexOf = (place: string, name: string) =>
      /0x([0-9a-f]*)/.exec(execFileSync('getfattr', ['--absolute-names', '-e', 'hex', '-n', name, place], { encoding: 'utf8' }))?.[1] ?? '';
    const told = { access: '', inherited: '' };
    withKernelMount(path, { options: ['acl'] }, ({ fs, root }) => {
      fs.writeFileSync(join(root, 'f'), '');
      fs.mkdirSync(join(root, 'd'));
      execFileSync('setfacl', ['-m', 'u::rw,u:70000:r,g::rx,g:80000:x,m::rx,o::-', join(root, 'f')]);
      execFileSync('setfacl', ['-d', '-m', 'u:1:rwx', join(root, 'd')]);
      told.access = hexOf(join(root, 'f'), ACCESS);
      told.inherited = hexOf(join(root, 'd'), DEFAULT);
    });
    const device = new ImageDevice(new Uint8Array(readFileSync(path)));
    const fs = mount(device, quietly);
    const [f, d] = [fs.resolve('/f'), fs.resolve('/d')];
    t.equal(Buffer.from(fs.getxattr(f, ACCESS)).toString('hex'), told.access, `inodes of ${inodeSize}: of a file, as the kernel`);
    t.equal(Buffer.from(fs.getxattr(d, DEFAULT)).toString('hex'), told.inherited, 'of a directory');
    t.strictSame(fs.listxattr(f), [ACCESS]);
    t.equal(told.access, acl(NAMED).toString('hex'));

    // The other way round.
    const g = fs.create(fs.root, 'g', 0o4777);
    fs.setxattr(g, ACCESS, acl(NAMED));
    t.equal(fs.stat(g).mode % 0o10000, 0o4650, 'the mode follows');
    fs.setxattr(d, DEFAULT, fs.getxattr(f, ACCESS));
    fs.setxattr(d, ACCESS, acl([[1, 7], [4, 1], [0x20, 2]]));
    t.throws(() => fs.getxattr(d, ACCESS), { code: 'ENODATA' }, 'what a mode says is no ACL');
    t.equal(fs.stat(d).mode % 0o10000, 0o712);
    fs.chmod(g, 0o421);
    t.equal(Buffer.from(fs.getxattr(g, ACCESS)).toString('hex'), acl([[1, 4], [2, 4, 70_000], [4, 5], [8, 1, 80_000], [0x10, 2], [0x20, 1]]).toString('hex'));
    const wrong: [Buffer, string][] = [
      [acl(NAMED, 1), 'EOPNOTSUPP'],
      [acl(NAMED, 3), 'EOPNOTSUPP'],
      [Buffer.alloc(3), 'EINVAL'],
      [acl(NAMED).subarray(0, 20), 'EINVAL'],
      [acl([...NAMED, [0x40, 0]]), 'EINVAL'],
      [acl([...NAMED].reverse()), 'EINVAL'],
      [acl([[1, 8], [4, 0], [0x20, 0]]), 'EINVAL'],
      [acl([[1, 7], [4, 0]]), 'EINVAL'],
      [acl([[1, 7], [2, 7, 5], [4, 0], [0x20, 0]]), 'EINVAL'],
      [acl([[1, 7], [1, 7], [4, 0], [0x20, 0]]), 'EINVAL'],
      [acl([[1, 7], [2, 7], [4, 0], [0x10, 7], [0x20, 0]]), 'EINVAL'],
    ];
    for (const [value, code] of wrong) t.throws(() => { fs.setxattr(f, ACCESS, value); }, { code }, value.toString('hex'));
    t.throws(() => { fs.setxattr(f, DEFAULT, acl(NAMED)); }, { code: 'EACCES' });
    const link = fs.symlink(fs.root, 'l', 'f');
    t.throws(() => { fs.setxattr(link, ACCESS, acl(NAMED)); }, { code: 'EOPNOTSUPP' });
    t.equal(Buffer.from(fs.getxattr(f, ACCESS)).toString('hex'), told.access, 'what is refused changes nothing');
    writeFileSync(path, end(t, fs, `inodes of ${inodeSize}`));
    withKernelMount(path, { options: ['acl,ro'] }, ({ root }) => {
      const got = execFileSync('getfacl', ['--absolute-names', '-nc', join(root, 'g')], { encoding: 'utf8' });
      t.match(got.replace(/\t.*$/gm, ''), /^user::r--\nuser:70000:r--\ngroup::r-x\ngroup:80000:--x\nmask::-w-\nother::--x\n/);
      t.match(execFileSync('getfacl', ['--absolute-names', '-nc', join(root, 'd')], { encoding: 'utf8' }), /^default:user:70000:r--/m);
    });
    const again = mount(new ImageDevice(new Uint8Array(readFileSync(path))), quietly);
    again.removexattr(again.resolve('/f'), ACCESS);
    again.setxattr(again.resolve('/d'), DEFAULT, Buffer.alloc(0));
    t.strictSame(again.listxattr(again.resolve('/d')), []);
    end(t, again, 'without them');
  }
  t.end();
});
