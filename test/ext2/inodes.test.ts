// Inodes in memory: whoever has one has the inode itself, and nothing is lost, at any number of files and in any memory.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { BufferHead, DaxFile } from 'node-dax';
import { mount, type Ext2, type Ext2File, type Ext2Inode } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { afterDebugfs, e2fsck, e2fsprogsMissing, formatted, ImageDevice, mke2fs, withFile } from '../helpers/ext2-image.js';
import { loopMountMissing, withKernelMount } from '../helpers/kernel-mount.js';
import { amount, THOROUGH } from '../helpers/thorough.js';

const skip = e2fsprogsMissing() ?? false;
const OWNER = { uid: 0, gid: 0 };
const MIB = 1024 * 1024;
// Without a cache every look at an inode reads its block: that much of a thorough run is enough elsewhere.
const CACHES = [
  ['the default cache', undefined, THOROUGH ? 1 : 1 / 8],
  ['a cache of 1 MiB', MIB, amount({ short: 1 / 8, thorough: 1 / 2, long: 1 })],
  ['no cache', 0, amount({ short: 1 / 40, thorough: 1 / 4, long: 1 })],
] as const;

interface Begun {
  device: ImageDevice;
  fs: Ext2;
  remount(): Ext2;
}

function begin(cacheBytes?: number, inodes = THOROUGH ? 24_000 : 6000, size = (THOROUGH ? 64 : 16) * MIB): Begun {
  const device = formatted({ size, more: ['-N', String(inodes)] });
  const options = { owner: OWNER, ...(cacheBytes !== undefined && { cacheBytes }) };
  const begun = {
    device,
    fs: mount(device, options),
    remount() {
      begun.fs.unmount();
      return (begun.fs = mount(device, options));
    },
  };
  return begun;
}

function end(t: Test, { device, fs }: Begun): void {
  fs.unmount();
  t.equal(e2fsck(device.content), undefined, 'e2fsck finds nothing');
}

// Pushes everything that has no reference out of a small cache.
function crowd(fs: Ext2, name: string, count = 3000): void {
  const dir = fs.mkdir(fs.root, name);
  for (let n = 0; n < count; n++) fs.create(dir, `crowd-${n}`);
  for (let n = 0; n < count; n++) fs.stat(fs.resolve(`/${name}/crowd-${n}`));
}

const names = (fs: Ext2, dir: Ext2Inode) => [...fs.readdir(dir)].map(({ name }) => name).filter((name) => !/^\.\.?$/.test(name));

for (const [what, cacheBytes, share] of CACHES) {
  const many = 16_400 * share;
  const files = 8000 * share;
  const crowded = 3000 * share;
  const later = 1500 * share;

  t.test(`files made beside ${many} open ones have their names, with ${what}`, { skip, timeout: 600_000 }, (t) => {
    const begun = begin(cacheBytes);
    const { fs } = begun;
    const open: Ext2File[] = [];
    for (let n = 0; n < many; n++) open.push(fs.open(fs.create(fs.root, `open-${n}`)));
    const dir = fs.mkdir(fs.root, 'dir');
    for (let n = 0; n < later; n++) fs.create(dir, `file-${n}`);
    t.equal(names(fs, dir).length, Math.ceil(later));
    for (const [n, file] of open.entries()) file.writeSync(Buffer.from(String(n)), 0);
    for (const [n, file] of open.entries()) {
      const read = Buffer.alloc(8);
      const length = file.readSync(read, 0);
      if (read.toString('latin1', 0, length) !== String(n)) t.fail(`file ${n} has ${read.toString('latin1', 0, length)}`);
      file.closeSync();
    }
    begun.remount();
    t.equal(names(begun.fs, begun.fs.resolve('/dir')).length, Math.ceil(later), 'after a mount too');
    t.equal(begun.fs.resolve(`/open-${many - 1}`).size, String(many - 1).length);
    end(t, begun);
    t.end();
  });

  t.test(`directories that push one another out lose nothing, with ${what}`, { skip, timeout: 600_000 }, (t) => {
    const begun = begin(cacheBytes);
    const { fs } = begun;
    const moved = Math.ceil((files - 1) / 3);
    const dirs = Array.from({ length: 40 }, (_, n) => fs.mkdir(fs.root, `dir-${n}`));
    for (let n = 0; n < files; n++) fs.create(dirs[n % 40] as Ext2Inode, `file-${n}`);
    for (let n = 0; n < files; n += 3) {
      const [from, to] = [dirs[n % 40] as Ext2Inode, dirs[(n * 7) % 40] as Ext2Inode];
      fs.rename(from, `file-${n}`, to, `moved-${n}`);
    }
    for (let n = 1; n < files; n += 3) fs.unlink(dirs[n % 40] as Ext2Inode, `file-${n}`);
    const found = () => dirs.flatMap((_, n) => names(begun.fs, begun.fs.resolve(`/dir-${n}`)));
    t.equal(new Set(found()).size, files - moved);
    begun.remount();
    t.equal(found().length, files - moved, 'after a mount too');
    end(t, begun);
    t.end();
  });

  t.test(`what a user holds stays true, with ${what}`, { skip, timeout: 600_000 }, async (t) => {
    const begun = begin(cacheBytes);
    const { fs } = begun;
    const held = fs.create(fs.root, 'held');
    const dir = fs.mkdir(fs.root, 'dir');
    const link = fs.symlink(dir, 'link', 'held');
    crowd(fs, 'crowd-1', crowded);
    const other = fs.open(fs.resolve('/held'));
    other.writeSync(Buffer.from('content'), 0);
    other.closeSync();
    fs.chmod(fs.resolve('/held'), 0o600);
    fs.link(fs.resolve('/held'), fs.root, 'second');
    crowd(fs, 'crowd-2', crowded);
    t.equal(held.size, 7, 'its size is that of now');
    t.equal(held.mode, 0o100600);
    t.equal(held.nlink, 2);
    t.equal(held.isRegular && dir.isDirectory && link.isSymlink, true);
    // A file by hand, over an inode that nobody has open.
    const file = new DaxFile(held, fs.operations);
    file.writeSync(Buffer.from('CON'), 0);
    crowd(fs, 'crowd-3', crowded);
    const read = Buffer.alloc(7);
    t.equal(file.readSync(read, 0), 7);
    t.equal(read.toString(), 'CONtent');
    const writing = file.write(Buffer.alloc(3 * MIB, 'x'), 0);
    crowd(fs, 'crowd-4', crowded / 3);
    t.equal(await writing, 3 * MIB, 'an operation under way keeps the inode');
    t.equal(held.size, 3 * MIB);
    const bh = new BufferHead();
    bh.size = fs.blockSize;
    crowd(fs, 'crowd-5', crowded / 3);
    fs.operations.getBlock(held, 0, bh, false);
    t.equal(bh.isWritten, true, 'getBlock takes it');
    fs.unlink(fs.root, 'held');
    fs.unlink(fs.root, 'second');
    crowd(fs, 'crowd-6', crowded / 3);
    t.throws(() => fs.stat(held), { code: 'ESTALE' });
    t.throws(() => fs.open(held), { code: 'ESTALE' });
    t.throws(() => file.readSync(read, 0), { code: 'ESTALE' });
    await t.rejects(file.write(read, 0), { code: 'ESTALE' });
    end(t, begun);
  });
}

t.test('inodes by number', { skip }, (t) => {
  const begun = begin(0, 200, 4 * MIB);
  const { fs } = begun;
  const file = fs.create(fs.root, 'file');
  const gone = fs.create(fs.root, 'gone');
  fs.unlink(fs.root, 'gone');
  t.equal(fs.inode(file.ino).ino, file.ino);
  t.equal(fs.inode(file.ino, file.generation).generation, file.generation);
  t.throws(() => fs.inode(file.ino, (file.generation + 1) % 2 ** 32), { code: 'ESTALE' });
  t.throws(() => fs.inode(gone.ino), { code: 'ESTALE' }, 'listed by one, removed by another');
  t.throws(() => fs.inode(gone.ino, gone.generation), { code: 'ESTALE' });
  t.throws(() => fs.inode(180), { code: 'ESTALE' }, 'never used');
  for (const ino of [0, 1, 3, 7, 10, 100_000, 2 ** 32 - 1]) t.throws(() => fs.inode(ino), { code: 'ENOENT' }, `number ${ino}`);
  for (const ino of [-1, 1.5, Number.NaN, 2 ** 32]) t.throws(() => fs.inode(ino), RangeError);
  t.throws(() => fs.inode(file.ino, -1), RangeError);
  t.equal(fs.readOnly, false, 'no number makes it read-only');
  const again = fs.create(fs.root, 'again');
  t.equal(again.ino, gone.ino, 'the number is given out anew');
  t.throws(() => fs.stat(gone), { code: 'ESTALE' }, 'and the old identity does not stand for the new file');
  const other = mount(formatted(), { owner: OWNER });
  t.throws(() => fs.stat(other.root), TypeError);
  t.throws(() => fs.stat({ ino: file.ino } as Ext2Inode), TypeError);
  end(t, begun);
  t.end();
});

t.test('hold and release', { skip }, (t) => {
  const begun = begin(0, 400, 8 * MIB);
  const { fs } = begun;
  fs.mkdir(fs.root, 'warm');
  const before = fs.statfs();
  const dir = fs.mkdir(fs.root, 'dir');
  const file = fs.create(dir, 'file');
  const link = fs.symlink(dir, 'link', 'x'.repeat(200));
  const opened = fs.open(file);
  opened.writeSync(Buffer.from('still here'), 0);
  opened.closeSync();
  for (const inode of [dir, file, link]) {
    fs.hold(inode);
    fs.hold(inode);
  }
  fs.unlink(dir, 'file');
  fs.unlink(dir, 'link');
  fs.rmdir(fs.root, 'dir');
  crowd(fs, 'crowd', 100);
  const reader = fs.open(file, { readOnly: true });
  const read = Buffer.alloc(20);
  t.equal(read.toString('latin1', 0, reader.readSync(read, 0)), 'still here');
  reader.closeSync();
  t.equal(Buffer.from(fs.readlink(link)).toString(), 'x'.repeat(200));
  t.strictSame([dir, file, link].map((inode) => fs.stat(inode).nlink), [0, 0, 0]);
  t.throws(() => fs.create(dir, 'new'), { code: 'ENOENT' }, 'nothing is made in a directory that was removed');
  t.throws(() => { fs.link(file, fs.root, 'back'); }, { code: 'ENOENT' });
  t.throws(() => { fs.unmount(); }, { code: 'EBUSY' });
  t.throws(() => { fs.reclaim(); }, { code: 'EBUSY' });
  t.throws(() => { fs.release(file, 3); }, { code: 'EINVAL' });
  t.throws(() => { fs.release(fs.root); }, { code: 'EINVAL' });
  t.throws(() => { fs.release(file, -1); }, RangeError);
  fs.release(file);
  t.equal(fs.stat(file).nlink, 0, 'held once more');
  fs.release(file);
  t.throws(() => fs.stat(file), { code: 'ESTALE' });
  fs.release(link, 2);
  fs.release(dir, 2);
  for (let n = 0; n < 100; n++) fs.unlink(fs.resolve('/crowd'), `crowd-${n}`);
  fs.rmdir(fs.root, 'crowd');
  const after = fs.statfs();
  t.equal(after.freeInodes, before.freeInodes);
  t.equal(after.freeBlocks, before.freeBlocks, 'nothing is kept of them');
  end(t, begun);
  t.end();
});

t.test('what was held at a power cut goes at the next mount', { skip }, (t) => {
  const { device, fs } = begin(0, 200, 4 * MIB);
  const held = [fs.mkdir(fs.root, 'dir'), fs.create(fs.root, 'file'), fs.symlink(fs.root, 'link', 'y'.repeat(100))];
  for (const inode of held) fs.hold(inode);
  fs.rmdir(fs.root, 'dir');
  fs.unlink(fs.root, 'file');
  fs.unlink(fs.root, 'link');
  fs.sync();
  const cut = new ImageDevice(device.content.slice());
  const warnings: string[] = [];
  const after = mount(cut, { owner: OWNER, onWarning: (warning) => warnings.push(warning) });
  t.match(warnings.join('\n'), /3 files that had no name any more were deleted/);
  after.unmount();
  t.equal(e2fsck(cut.content), undefined);
  t.end();
});

t.test('reading a directory that changes', { skip }, (t) => {
  const begun = begin(0, 4000, 16 * MIB);
  const { fs } = begun;
  const dir = fs.mkdir(fs.root, 'dir');
  for (let n = 0; n < 500; n++) fs.create(dir, `stays-${n}`);
  const seen: string[] = [];
  for (const { name } of fs.readdir(dir)) {
    seen.push(name);
    if (seen.length % 10 === 0) fs.create(fs.mkdir(fs.root, `other-${seen.length}`), 'file');
    if (seen.length % 25 === 0) fs.create(dir, `new-${seen.length}`);
  }
  const stays = seen.filter((name) => name.startsWith('stays-'));
  t.equal(stays.length, 500);
  t.equal(new Set(stays).size, 500, 'what stays comes exactly once');
  const rest = fs.readdir(dir);
  rest.next();
  for (const name of names(fs, dir)) fs.unlink(dir, name);
  fs.rmdir(fs.root, 'dir');
  t.ok([...rest].length < 600, 'one that is removed meanwhile ends');
  t.throws(() => [...fs.readdir(dir)], { code: 'ESTALE' });
  end(t, begun);
  t.end();
});

t.test('a file of the largest size, and one that is damaged, hide no other name', { skip }, (t) => {
  const size = 2_196_873_666_560;
  const image = afterDebugfs(mke2fs({ blockSize: 4096, size: 8 * MIB }), [
    'mkdir dir',
    'cd dir',
    'write /dev/null largest',
    'write /dev/null good',
    'write /dev/null damaged',
    `sif largest size ${size}`,
    'sif damaged links_count 0',
  ]);
  const device = new ImageDevice(image);
  const fs = mount(device, { owner: OWNER });
  const files = createFs(fs);
  t.strictSame(files.readdirSync('/dir').sort(), ['damaged', 'good', 'largest']);
  t.strictSame(files.readdirSync('/dir', { withFileTypes: true }).map((entry) => (entry as { isFile(): boolean }).isFile()), [true, true, true]);
  t.equal(files.statSync('/dir/largest').size, size);
  t.equal(fs.readOnly, false);
  const file = fs.open(fs.resolve('/dir/largest'));
  t.equal(file.writeSync(Buffer.from('last'), size - 2), 2, 'its last bytes can be written, and none after them');
  t.throws(() => file.writeSync(Buffer.from('x'), size), { code: 'EFBIG' });
  file.closeSync();
  t.throws(() => fs.resolve('/dir/damaged'), { code: 'EUCLEAN' });
  t.strictSame(files.readdirSync('/dir').sort(), ['damaged', 'good', 'largest'], 'still');
  t.end();
});

t.test('the largest file is as large as the kernel has it, whatever the blocks', { skip: skip || (loopMountMissing() ?? false) }, (t) => {
  for (const blockSize of [1024, 2048, 4096]) {
    const largest = withFile((path) => {
      writeFileSync(path, mke2fs({ blockSize }));
      const size = withKernelMount(path, {}, ({ fs, root }) => {
        fs.writeFileSync(`${root}/f`, '');
        let [can, cannot] = [0, 2 ** 52];
        while (cannot - can > 1) {
          const tried = Math.floor((can + cannot) / 2);
          try {
            fs.truncateSync(`${root}/f`, tried);
            can = tried;
          } catch (error) {
            t.equal((error as NodeJS.ErrnoException).code, 'EFBIG');
            cannot = tried;
          }
        }
        fs.truncateSync(`${root}/f`, can);
        return can;
      });
      const fs = mount(new ImageDevice(new Uint8Array(readFileSync(path))), { owner: OWNER });
      t.equal(createFs(fs).readdirSync('/', { withFileTypes: true }).length, 2);
      t.equal(fs.resolve('/f').size, size, `blocks of ${blockSize}`);
      fs.unmount();
      return size;
    });
    const device = formatted({ blockSize });
    const fs = mount(device, { owner: OWNER });
    const files = createFs(fs);
    files.writeFileSync('/f', '');
    files.truncateSync('/f', largest);
    t.throws(() => { files.truncateSync('/f', largest + 1); }, { code: 'EFBIG' });
    t.equal(files.statSync('/f').size, largest);
    fs.unmount();
    t.equal(e2fsck(device.content), undefined);
  }
  t.end();
});

t.test('whoever uses what was forgotten is told, where caches are asserted', (t) => {
  const program = `
    const { poison } = require(${JSON.stringify(require.resolve('../../lib/ext2/volume/poison.js'))});
    class Thing { isForgotten = true; size = 1; get double() { return 2 * this.size; } }
    const thing = new Thing();
    poison(thing, 'isForgotten');
    const tried = [() => thing.size, () => thing.double, () => { thing.size = 2; }, () => { thing.other = 1; }].map((use) => {
      try { use(); return 'used'; } catch (error) { return error.message; }
    });
    console.log(JSON.stringify([thing.isForgotten, ...tried]));
  `;
  const run = (env: NodeJS.ProcessEnv) => JSON.parse(spawnSync(process.execPath, ['-e', program], { env, encoding: 'utf8' }).stdout) as unknown[];
  const [kept, ...asserted] = run({ ...process.env, NODE_DAX_ASSERT_CACHES: '1' });
  t.equal(kept, true);
  for (const message of asserted) t.match(message, /of an object that was forgotten/);
  t.strictSame(run({ ...process.env, NODE_DAX_ASSERT_CACHES: '' }), [true, 'used', 'used', 'used', 'used']);
  t.end();
});
