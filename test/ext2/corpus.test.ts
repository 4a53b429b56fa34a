// Images that others made corrupt, or odd: each is used or refused, in bounded time; the sound ones read as debugfs reads.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { DaxError } from 'node-dax';
import { mount, type Ext2, type Ext2Inode } from 'node-dax/ext2';
import { dumped, e2fsck, e2fsprogsMissing, ImageDevice } from '../helpers/ext2-image.js';
import { sample, THOROUGH } from '../helpers/thorough.js';
import { exercise } from '../helpers/ext2-exercise.js';

const ARCHIVE = join(__dirname, '..', '..', '..', '..', 'shared', 'corpora', 'e2fsprogs-ext2-82.tar.xz');
const missing = existsSync(ARCHIVE) ? e2fsprogsMissing() : `${ARCHIVE} is not here`;

function files(fs: Ext2): Map<number, Ext2Inode> {
  const found = new Map<number, Ext2Inode>();
  const waiting = [fs.root];
  for (let dir = waiting.pop(); dir !== undefined; dir = waiting.pop()) {
    for (const { ino, bytes } of fs.readdir(dir)) {
      const inode = fs.lookup(dir, bytes);
      if (inode === undefined || found.has(ino)) continue;
      found.set(ino, inode);
      if (inode.isDirectory) waiting.push(inode);
    }
  }
  return found;
}

function contentOf(fs: Ext2, inode: Ext2Inode): Buffer {
  const content = Buffer.alloc(inode.size);
  using file = fs.open(inode, { readOnly: true });
  file.readSync(content, 0);
  return content;
}

// In whole pages, as devices are.
function inPages(image: Uint8Array): Uint8Array {
  const pages = new Uint8Array(Math.ceil(image.byteLength / 4096) * 4096);
  pages.set(image);
  return pages;
}

const hashOf = (image: Uint8Array): string => createHash('sha256').update(image).digest('hex');

// Both collections have some images: none is exercised twice.
const exercised = new Set<string>();

// All of them, on a busy machine.
t.setTimeout(900_000);

t.test('the images of e2fsprogs', { skip: missing ?? false, timeout: 600_000 }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'node-dax-corpus-'));
  t.teardown(() => { rmSync(folder, { recursive: true }); });
  execFileSync('tar', ['-xSJf', ARCHIVE, '-C', folder]);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.img'));
  t.equal(names.length, 82);
  let compared = 0;
  for (const name of sample(names.sort(), 20)) {
    const image = inPages(readFileSync(join(folder, name)));
    exercised.add(hashOf(image));
    for (const readOnly of [true, false]) {
      const device = new ImageDevice(image.slice());
      const mode = readOnly ? 'read-only' : 'to be changed';
      t.doesNotThrow(() => exercise(device, readOnly), `${name}, ${mode}`);
    }
    // One takes e2fsck half a minute.
    if (name.includes('f_salvage') || name.includes('f_many_subdirs') || e2fsck(image) !== undefined) continue;
    let fs: Ext2;
    try {
      fs = mount(new ImageDevice(image), { readOnly: true, onWarning: () => undefined });
    } catch (error) {
      t.ok(error instanceof DaxError && ['EOPNOTSUPP', 'EUCLEAN'].includes(error.code), `${name}: ${String(error)}`);
      continue;
    }
    compared++;
    const inodes = [...files(fs).values()].filter(({ isRegular }) => isRegular).slice(0, 300);
    const expected = dumped(image, inodes.map(({ ino }) => ino));
    const different = inodes.filter((inode) => expected.get(inode.ino)?.equals(contentOf(fs, inode)) !== true);
    t.strictSame(different.map(({ ino }) => ino), [], `${name}: ${inodes.length} files`);
  }
  // Two have larger blocks, and one a superblock that only its copy can replace.
  if (THOROUGH) t.equal(compared, 13, 'sound images that are supported');
  t.end();
});

// As .ci/run unpacks the source package.
const CACHE = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
const SOURCE = join(CACHE, 'node-dax', 'e2fsprogs', 'tests');
const noSource = existsSync(SOURCE) ? undefined : `${SOURCE} has none of the tests of e2fsprogs' source`;

function unpacked(path: string): Uint8Array {
  const packed = readFileSync(path);
  const image = path.endsWith('.gz')
    ? gunzipSync(packed)
    : path.endsWith('.bz2')
      ? execFileSync('bzip2', ['-dc'], { input: packed, maxBuffer: 2 ** 30 })
      : packed;
  return inPages(image);
}

t.test('all images in the source of e2fsprogs', { skip: noSource ?? false, timeout: 600_000 }, (t) => {
  const paths = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((path) => /^(?:image|.*\.img)(?:\.gz|\.bz2)?$/.test(basename(path)));
  t.ok(paths.length >= 200, `${paths.length} images`);
  let mounted = 0;
  for (const path of sample(paths.sort(), 40)) {
    const image = unpacked(join(SOURCE, path));
    for (const readOnly of exercised.has(hashOf(image)) ? [] : [true, false]) {
      const mode = readOnly ? 'read-only' : 'to be changed';
      t.doesNotThrow(() => exercise(new ImageDevice(image.slice()), readOnly), `${dirname(path)}, ${mode}`);
    }
    try {
      mount(new ImageDevice(image), { readOnly: true, onWarning: () => undefined });
      mounted++;
    } catch (error) {
      t.ok(error instanceof DaxError, `${dirname(path)}: ${String(error)}`);
    }
  }
  // Most of the others need features that ext2 has not.
  if (THOROUGH) t.ok(mounted >= 70, `${mounted} can be mounted`);
  t.end();
});
