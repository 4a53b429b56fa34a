// Owns the answers to requests about open files.

import { DaxError } from 'node-dax';
import { isInode, type FuseFile, type FuseInode } from '../filesystem/contract.js';
import { seek, viewsOf } from '../filesystem/extents.js';
import { MAX_TRANSFER } from '../protocol/init.js';
import { putOpened } from '../protocol/layout.js';
import { FALLOC, FOPEN, hasFlag, O, OP, SEEK } from '../protocol/numbers.js';
import type { Reply } from '../protocol/reply.js';
import type { Request } from '../protocol/request.js';
import { making, permissionsOf, tell } from './names.js';
import { fail, type Handler, type Handlers, type Served } from './served.js';

// Reads of fewer bytes are copied, which is faster than finding out where the bytes lie.
const LEAST_VIEW = 32 * 1024;
// The most bytes that one copy_file_range copies, so other requests have their turn.
const MOST_COPIED = 8 * MAX_TRANSFER;

// Files are not opened to append, because the kernel knows the end, and writes pages of a mapping through the same open file. An
// append-only file is the exception: it must be opened to append, and so the kernel must not cache it.
function openFile<I extends FuseInode>({ fs }: Served<I>, inode: I, flags: number, isAppended: boolean): FuseFile {
  const isReader = flags % 4 === 0;
  const file = fs.open(inode, { readOnly: isReader, sync: hasFlag(flags, O.dsync), append: isAppended });
  try {
    if (hasFlag(flags, O.trunc) && !isReader) {
      if (isAppended) fail('EPERM');
      file.truncateSync(0);
    }
  } catch (error) {
    file.closeSync();
    throw error;
  }
  return file;
}

function answerOpened<I extends FuseInode>(served: Served<I>, reply: Reply, inode: I, file: FuseFile, isAppended: boolean): void {
  const caching = isAppended ? FOPEN.directIo : served.hasPages(inode) ? FOPEN.keepCache : 0;
  // A `flush` would have nothing to do.
  putOpened(reply, served.opened(file), FOPEN.noFlush + caching);
}

const open: Handler = (served, request, reply) => {
  const inode = served.inode(request);
  const flags = request.u32(0);
  const isAppended = hasFlag(flags, O.append) && served.isAppendOnly(inode);
  answerOpened(served, reply, inode, openFile(served, inode, flags, isAppended), isAppended);
  return undefined;
};

// A name that the kernel believes free may have been made by this process meanwhile.
function makeOrFind<I extends FuseInode>(served: Served<I>, dir: I, name: Uint8Array, request: Request): I {
  const { fs } = served;
  const isExclusive = hasFlag(request.u32(0), O.excl);
  const found = isExclusive ? undefined : fs.lookup(dir, name);
  return found ?? fs.create?.(dir, name, permissionsOf(request.u32(4)), making(served, request, request.u32(8))) ?? fail('EPERM');
}

const create: Handler = (served, request, reply) => {
  const inode = makeOrFind(served, served.inode(request), request.name(16), request);
  const file = openFile(served, inode, request.u32(0), false);
  tell(served, reply, inode);
  answerOpened(served, reply, inode, file, false);
  return undefined;
};

const tmpfile: Handler = (served, request, reply) => {
  const { fs } = served;
  const inode = fs.tmpfile?.(served.inode(request), permissionsOf(request.u32(4)), making(served, request, request.u32(8))) ?? fail('ENOSYS');
  try {
    const file = openFile(served, inode, request.u32(0), false);
    tell(served, reply, inode);
    answerOpened(served, reply, inode, file, false);
  } finally {
    fs.release?.(inode);
  }
  return undefined;
};

const read: Handler = (served, request, reply) => {
  const [pos, length] = [request.u64(8), Math.min(request.u32(16), MAX_TRANSFER)];
  const file = served.file(request.u64(0));
  const inode = served.inode(request);
  const { operations } = served.fs;
  const views = length >= LEAST_VIEW && operations !== undefined && isInode(inode) ? viewsOf(inode, operations.getBlock, pos, length) : undefined;
  if (views === undefined) reply.fill(length, (target) => file.readSync(target, pos));
  else reply.attach(views);
  served.bytesRead += reply.length;
  return undefined;
};

const write: Handler = (served, request, reply) => {
  const written = served.file(request.u64(0)).writeSync(request.bytes(40, request.u32(16)), request.u64(8));
  served.bytesWritten += written;
  reply.u32(written);
  reply.u32(0);
  return undefined;
};

const fsync: Handler = (served, request) => {
  served.file(request.u64(0)).fsync();
  return undefined;
};

const release: Handler = (served, request) => {
  served.close(request.u64(0));
  return undefined;
};

const fallocate: Handler = (served, request) => {
  const [pos, length, mode] = [request.u64(8), request.u64(16), request.u32(24)];
  const file = served.file(request.u64(0));
  served.checkNotAppendOnly(served.inode(request));
  if (mode === FALLOC.punchHole + FALLOC.keepSize && file.punchHoleSync !== undefined) {
    file.punchHoleSync(pos, length);
    return undefined;
  }
  if (mode === FALLOC.zeroRange + FALLOC.keepSize && file.zeroRange !== undefined) return file.zeroRange(pos, length);
  // Blocks cannot be reserved without being written: fallocate(1) then writes instead.
  return fail('EOPNOTSUPP');
};

const lseek: Handler = (served, request, reply) => {
  const [pos, whence] = [request.u64(8), request.u32(16)];
  const inode = served.inode(request);
  const { operations } = served.fs;
  if (operations === undefined || !isInode(inode)) fail('ENOSYS');
  if (whence !== SEEK.data && whence !== SEEK.hole) fail('EINVAL');
  if (pos >= inode.size) fail('ENXIO');
  reply.u64(seek(inode, operations.getBlock, pos, whence === SEEK.data) ?? fail('ENXIO'));
  return undefined;
};

let copied: Buffer | undefined;

const copyFileRange: Handler = (served, request, reply) => {
  const [from, to] = [served.file(request.u64(0)), served.file(request.u64(24))];
  const [fromPos, toPos, length] = [request.u64(8), request.u64(32), Math.min(request.u64(40), MOST_COPIED)];
  copied ??= Buffer.allocUnsafeSlow(MAX_TRANSFER);
  let done = 0;
  try {
    while (done < length) {
      const bytes = from.readSync(copied.subarray(0, Math.min(length - done, MAX_TRANSFER)), fromPos + done);
      if (bytes === 0) break;
      done += to.writeSync(copied.subarray(0, bytes), toPos + done);
    }
  } catch (error) {
    // The bytes copied so far are reported; the error comes with the next call.
    if (!(error instanceof DaxError) || done === 0) throw error;
  }
  reply.u32(done);
  reply.u32(0);
  return undefined;
};

export const FILES: Handlers = {
  [OP.open]: open,
  [OP.create]: create,
  [OP.tmpfile]: tmpfile,
  [OP.read]: read,
  [OP.write]: write,
  [OP.fsync]: fsync,
  [OP.release]: release,
  [OP.fallocate]: fallocate,
  [OP.lseek]: lseek,
  [OP.copyFileRange]: copyFileRange,
};
