// Owns an ext2 filesystem as a tree of files: operations done to it, and everything that is found in it.

import type { Ext2, Ext2Inode } from 'node-dax/ext2';
import { attributesInWords, parentOf, type Found, type Tree, type TreeOperation } from './tree-model.js';

const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1);

function find(fs: Ext2, path: string): Ext2Inode {
  return fs.resolve(`/${path}`, { follow: false });
}

function withFile(fs: Ext2, path: string, use: (file: ReturnType<Ext2['open']>) => void): void {
  const file = fs.open(find(fs, path));
  try {
    use(file);
  } finally {
    file.closeSync();
  }
}

/** Does one operation. Throws what the filesystem throws. */
export function applyTo(fs: Ext2, operation: TreeOperation): void {
  switch (operation.kind) {
    case 'create':
    case 'mkdir':
    case 'unlink':
    case 'rmdir':
      fs[operation.kind](find(fs, parentOf(operation.path)), nameOf(operation.path));
      break;
    case 'symlink':
      fs.symlink(find(fs, parentOf(operation.path)), nameOf(operation.path), operation.target);
      break;
    case 'link':
      fs.link(find(fs, operation.from), find(fs, parentOf(operation.to)), nameOf(operation.to));
      break;
    case 'rename': {
      const { from, to } = operation;
      fs.rename(find(fs, parentOf(from)), nameOf(from), find(fs, parentOf(to)), nameOf(to));
      break;
    }
    case 'exchange': {
      const { from, to } = operation;
      fs.exchange(find(fs, parentOf(from)), nameOf(from), find(fs, parentOf(to)), nameOf(to));
      break;
    }
    case 'tmpfile': {
      const folder = find(fs, parentOf(operation.path));
      const inode = fs.tmpfile(folder);
      fs.link(inode, folder, nameOf(operation.path));
      fs.release(inode);
      break;
    }
    case 'write':
      withFile(fs, operation.path, (file) => {
        const bytes = file.writeSync(operation.bytes, operation.pos);
        if (bytes !== operation.bytes.byteLength) throw new Error(`${bytes} bytes were written`);
      });
      break;
    case 'truncate':
      withFile(fs, operation.path, (file) => { file.truncateSync(operation.size); });
      break;
    case 'punch':
      withFile(fs, operation.path, (file) => { file.punchHoleSync(operation.pos, operation.length); });
      break;
    case 'setxattr':
      fs.setxattr(find(fs, operation.path), operation.name, Buffer.from(operation.value));
      break;
    case 'removexattr':
      fs.removexattr(find(fs, operation.path), operation.name);
      break;
    case 'fsync':
      fs.fsync(find(fs, operation.path));
      break;
    case 'sync':
      fs.sync();
      break;
  }
}

function readFile(fs: Ext2, inode: Ext2Inode): Uint8Array {
  const content = new Uint8Array(inode.size);
  const file = fs.open(inode, { readOnly: true });
  try {
    const bytes = file.readSync(content, 0);
    if (bytes !== content.byteLength) throw new Error(`${bytes} of ${content.byteLength} bytes of inode ${inode.ino} were read`);
  } finally {
    file.closeSync();
  }
  return content;
}

function readAttributes(fs: Ext2, inode: Ext2Inode): string | undefined {
  const names = fs.listxattr(inode).map(String);
  return attributesInWords(new Map(names.map((name) => [name, Buffer.from(fs.getxattr(inode, name)).toString()])));
}

/** Everything from the root on, without lost+found. */
export function treeOf(fs: Ext2): Tree {
  const tree = new Map<string, Found>();
  const walk = (dir: Ext2Inode, prefix: string) => {
    if (prefix.length > 200) throw new Error(`there is no end to ${prefix}`);
    for (const { name, ino } of fs.readdir(dir)) {
      const path = prefix + name;
      if (name === '.' || name === '..' || path === 'lost+found') continue;
      const inode = fs.inode(ino);
      if (inode.isDirectory) {
        tree.set(path, { kind: 'directory', ino, content: new Uint8Array() });
        walk(inode, `${path}/`);
      } else if (inode.isSymlink) tree.set(path, { kind: 'symlink', ino, content: fs.readlink(inode) });
      else tree.set(path, { kind: 'file', ino, content: readFile(fs, inode), attributes: readAttributes(fs, inode) });
    }
  };
  walk(fs.root, '');
  return tree;
}
