// Owns the answers to requests about attributes: of inodes, extended ones, and of the whole filesystem.

import type { FuseAttributes, FuseInode } from '../filesystem/contract.js';
import { putAttributesAnswer, putStatx } from '../protocol/layout.js';
import { hasFlag, IOCTL, OP, SET, XATTR } from '../protocol/numbers.js';
import type { Reply } from '../protocol/reply.js';
import type { Request } from '../protocol/request.js';
import { permissionsOf } from './names.js';
import { fail, type Handler, type Handlers, type Served } from './served.js';

const getattr: Handler = (served, request, reply) => {
  putAttributesAnswer(reply, served.attributes(served.inode(request)), served.cacheMs);
  return undefined;
};

const statx: Handler = (served, request, reply) => {
  putStatx(reply, served.attributes(served.inode(request)), served.cacheMs);
  return undefined;
};

// FS_XFLAG_… of struct fsxattr, by the i_flags that mean the same.
const XFLAGS: readonly (readonly [flag: number, xflag: number])[] = [[0x08, 0x20], [0x10, 0x08], [0x20, 0x10], [0x40, 0x80], [0x80, 0x40]];

function putIoctl(reply: Reply, words: readonly number[]): void {
  reply.zeros(16);
  for (const word of words) reply.u32(word);
}

const ioctl: Handler = (served, request, reply) => {
  const command = request.u32(12) % 2 ** 16;
  const inode = served.inode(request);
  const { flags } = served.stat(inode);
  if (flags === undefined) fail('ENOSYS');
  if (command === IOCTL.getFlags) putIoctl(reply, [flags]);
  else if (command === IOCTL.getAttributes) putIoctl(reply, [XFLAGS.reduce((sum, [flag, xflag]) => sum + (hasFlag(flags, flag) ? xflag : 0), 0), ...Array<number>(6).fill(0)]);
  else if (command === IOCTL.setFlags && served.fs.setFlags !== undefined) {
    served.fs.setFlags(inode, request.u32(32));
    putIoctl(reply, []);
  } else fail('ENOTTY');
  return undefined;
};

function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

function attributesOf(request: Request, valid: number): FuseAttributes {
  const has = (flag: number): boolean => hasFlag(valid, flag);
  return {
    ...(has(SET.mode) && { mode: permissionsOf(request.u32(68)) }),
    ...(has(SET.uid) && { uid: request.u32(76) }),
    ...(has(SET.gid) && { gid: request.u32(80) }),
    ...(has(SET.atime) && { atimeNs: has(SET.atimeNow) ? now() : request.time(32, 56) }),
    ...(has(SET.mtime) && { mtimeNs: has(SET.mtimeNow) ? now() : request.time(40, 60) }),
  };
}

function truncate<I extends FuseInode>(served: Served<I>, inode: I, request: Request, valid: number): void {
  const size = request.u64(16);
  served.checkNotAppendOnly(inode);
  if (hasFlag(valid, SET.handle)) {
    served.file(request.u64(8)).truncateSync(size);
    return;
  }
  const file = served.fs.open(inode, {});
  try {
    file.truncateSync(size);
  } finally {
    file.closeSync();
  }
}

const setattr: Handler = (served, request, reply) => {
  const inode = served.inode(request);
  const valid = request.u32(0);
  if (hasFlag(valid, SET.size)) truncate(served, inode, request, valid);
  const attributes = attributesOf(request, valid);
  if (Object.keys(attributes).length > 0) {
    if (served.fs.setattr === undefined) fail('EPERM');
    served.fs.setattr(inode, attributes);
  }
  putAttributesAnswer(reply, served.attributes(inode), served.cacheMs);
  return undefined;
};

const statfs: Handler = (served, _request, reply) => {
  const of = served.fs.statfs();
  for (const count of [of.blocks, of.freeBlocks, of.availableBlocks, of.inodes, of.freeInodes]) reply.u64(count);
  for (const bytes of [of.blockSize, of.nameLength ?? 255, of.blockSize]) reply.u32(bytes);
  reply.zeros(28);
  return undefined;
};

// A request with room for 0 bytes asks for their number.
function putSized(reply: Reply, bytes: Uint8Array, room: number): void {
  if (room === 0) {
    reply.u32(bytes.byteLength);
    reply.u32(0);
  } else if (bytes.byteLength > room) fail('ERANGE');
  else reply.put(bytes);
}

const ENODATA = 61;

const getxattr: Handler = (served, request, reply) => {
  const inode = served.inode(request);
  if (served.fs.mayHaveXattrs?.(inode) === false) {
    reply.refuse(ENODATA);
    return undefined;
  }
  const value = served.fs.getxattr?.(inode, request.name(8)) ?? fail('ENOSYS');
  putSized(reply, value, request.u32(0));
  return undefined;
};

const listxattr: Handler = (served, request, reply) => {
  const names = served.fs.listxattr?.(served.inode(request)) ?? fail('ENOSYS');
  const ended = names.flatMap((name) => [typeof name === 'string' ? Buffer.from(name) : name, Buffer.alloc(1)]);
  putSized(reply, Buffer.concat(ended), request.u32(0));
  return undefined;
};

const setxattr: Handler = (served, request) => {
  const [size, flags] = [request.u32(0), request.u32(4)];
  const name = request.name(8);
  const value = request.bytes(8 + name.byteLength + 1, size);
  const flag = flags === XATTR.create ? 'create' : flags === XATTR.replace ? 'replace' : undefined;
  if (served.fs.setxattr === undefined) fail('ENOSYS');
  served.fs.setxattr(served.inode(request), name, value, flag);
  return undefined;
};

const removexattr: Handler = (served, request) => {
  if (served.fs.removexattr === undefined) fail('ENOSYS');
  served.fs.removexattr(served.inode(request), request.name(0));
  return undefined;
};

export const ATTRIBUTES: Handlers = {
  [OP.getattr]: getattr,
  [OP.statx]: statx,
  [OP.ioctl]: ioctl,
  [OP.setattr]: setattr,
  [OP.statfs]: statfs,
  [OP.getxattr]: getxattr,
  [OP.listxattr]: listxattr,
  [OP.setxattr]: setxattr,
  [OP.removexattr]: removexattr,
};
