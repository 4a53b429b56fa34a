// Owns the answers to requests that look up, make, rename and remove names.

import type { FuseInode, FuseMaking } from '../filesystem/contract.js';
import { decodeDevice, putEntry } from '../protocol/layout.js';
import { hasFlag, OP, RENAME } from '../protocol/numbers.js';
import type { Reply } from '../protocol/reply.js';
import type { Request } from '../protocol/request.js';
import { fail, type Handler, type Handlers, type Served } from './served.js';

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const PERMISSIONS = 0o10000;
const UMASK = 0o1000;

export const typeOf = (mode: number): number => (mode % (S_IFMT + PERMISSIONS)) - (mode % PERMISSIONS);

export const permissionsOf = (mode: number): number => mode % PERMISSIONS;

/** The user who sends a request owns what it makes. `umask` is that of the program, for a filesystem that applies it. */
export function making<I extends FuseInode>({ fs }: Served<I>, { uid, gid }: Request, umask = 0): FuseMaking {
  return { owner: { uid, gid }, ...(fs.appliesUmask === true && { umask: umask % UMASK }) };
}

/** Answers with an inode, and counts that the kernel knows it once more. */
export function tell<I extends FuseInode>(served: Served<I>, reply: Reply, inode: I): void {
  const attributes = served.attributes(inode);
  putEntry(reply, served.nodes.tell(inode), attributes, served.cacheMs);
}

const lookup: Handler = (served, request, reply) => {
  const found = served.fs.lookup(served.inode(request), request.name(0));
  if (found === undefined) putEntry(reply, 0, undefined, served.cacheMs);
  else tell(served, reply, found);
  return undefined;
};

const forget: Handler = (served, request) => {
  served.nodes.forget(request.nodeId, request.u64(0));
  return undefined;
};

const batchForget: Handler = (served, request) => {
  const count = request.u32(0);
  for (let index = 0; index < count; index++) served.nodes.forget(request.u64(8 + index * 16), request.u64(16 + index * 16));
  return undefined;
};

const readlink: Handler = (served, request, reply) => {
  reply.put(served.fs.readlink?.(served.inode(request)) ?? fail('EINVAL'));
  return undefined;
};

const symlink: Handler = (served, request, reply) => {
  const name = request.name(0);
  const target = request.name(name.byteLength + 1);
  tell(served, reply, served.fs.symlink?.(served.inode(request), name, target, making(served, request)) ?? fail('EPERM'));
  return undefined;
};

const mknod: Handler = (served, request, reply) => {
  const { fs } = served;
  const [mode, device] = [request.u32(0), request.u32(4)];
  const [dir, name] = [served.inode(request), request.name(16)];
  const isFile = typeOf(mode) === S_IFREG || typeOf(mode) === 0;
  const made = isFile
    ? fs.create?.(dir, name, permissionsOf(mode), making(served, request, request.u32(8)))
    : fs.mknod?.(dir, name, mode, decodeDevice(device), making(served, request, request.u32(8)));
  tell(served, reply, made ?? fail('EPERM'));
  return undefined;
};

const mkdir: Handler = (served, request, reply) => {
  const made = served.fs.mkdir?.(served.inode(request), request.name(8), permissionsOf(request.u32(0)), making(served, request, request.u32(4)));
  tell(served, reply, made ?? fail('EPERM'));
  return undefined;
};

const unlink: Handler = (served, request) => {
  if (served.fs.unlink === undefined) fail('EPERM');
  served.fs.unlink(served.inode(request), request.name(0));
  return undefined;
};

const rmdir: Handler = (served, request) => {
  if (served.fs.rmdir === undefined) fail('EPERM');
  served.fs.rmdir(served.inode(request), request.name(0));
  return undefined;
};

// Nothing happens between the look at the new name and the rename: a request is answered in one step.
function move<I extends FuseInode>(served: Served<I>, request: Request, at: number, flags: number): void {
  const { fs } = served;
  const from = request.name(at);
  const to = request.name(at + from.byteLength + 1);
  const dir = served.nodes.inode(request.u64(0));
  if (flags === RENAME.exchange) {
    if (fs.exchange === undefined) fail('EINVAL');
    fs.exchange(served.inode(request), from, dir, to);
    return;
  }
  if (fs.rename === undefined) fail('EPERM');
  if (hasFlag(flags, RENAME.noReplace) && fs.lookup(dir, to) !== undefined) fail('EEXIST');
  if (flags > RENAME.noReplace) fail('EINVAL');
  fs.rename(served.inode(request), from, dir, to);
}

const rename: Handler = (served, request) => {
  move(served, request, 8, 0);
  return undefined;
};

const rename2: Handler = (served, request) => {
  move(served, request, 16, request.u32(8));
  return undefined;
};

const link: Handler = (served, request, reply) => {
  const inode = served.nodes.inode(request.u64(0));
  if (served.fs.link === undefined) fail('EPERM');
  served.fs.link(inode, served.inode(request), request.name(8));
  tell(served, reply, inode);
  return undefined;
};

export const NAMES: Handlers = {
  [OP.lookup]: lookup,
  [OP.forget]: forget,
  [OP.batchForget]: batchForget,
  [OP.readlink]: readlink,
  [OP.symlink]: symlink,
  [OP.mknod]: mknod,
  [OP.mkdir]: mkdir,
  [OP.unlink]: unlink,
  [OP.rmdir]: rmdir,
  [OP.rename]: rename,
  [OP.rename2]: rename2,
  [OP.link]: link,
};
