// Owns the answers to requests for the entries of directories. Directories are not opened, because a position in one is all the
// state.

import type { FuseDirent, FuseInode } from '../filesystem/contract.js';
import { direntSize, ENTRY, putDirent, putEntry } from '../protocol/layout.js';
import { OP } from '../protocol/numbers.js';
import type { Reply } from '../protocol/reply.js';
import type { Handler, Handlers, Served } from './served.js';

const DOT = 0x2e;

function isDot({ bytes }: FuseDirent): boolean {
  return bytes[0] === DOT && (bytes.byteLength === 1 || (bytes.byteLength === 2 && bytes[1] === DOT));
}

// Writes the inode of a directory entry. The kernel gets no inode for `.`, `..`, and entries whose inode is gone or unreadable.
function putWithInode<I extends FuseInode>(served: Served<I>, reply: Reply, dir: I, entry: FuseDirent): void {
  let inode: I | undefined;
  try {
    inode = isDot(entry) ? undefined : (served.fs.inode?.(entry.ino) ?? served.fs.lookup(dir, entry.bytes));
    const attributes = inode && served.attributes(inode);
    putEntry(reply, inode === undefined ? 0 : served.nodes.tell(inode), attributes, served.cacheMs);
  } catch {
    putEntry(reply, 0, undefined, 0);
  }
}

const read = (withInodes: boolean): Handler => (served, request, reply) => {
  const [from, most] = [request.u64(8), request.u32(16)];
  const dir = served.inode(request);
  for (const entry of served.fs.readdir(dir, from)) {
    if (reply.length + (withInodes ? ENTRY : 0) + direntSize(entry.bytes.byteLength) > most) break;
    if (withInodes) putWithInode(served, reply, dir, entry);
    putDirent(reply, entry);
  }
  return undefined;
};

const fsyncdir: Handler = (served, request) => {
  served.fs.fsync?.(served.inode(request));
  return undefined;
};

export const DIRECTORIES: Handlers = {
  [OP.readdir]: read(false),
  [OP.readdirplus]: read(true),
  [OP.fsyncdir]: fsyncdir,
};
