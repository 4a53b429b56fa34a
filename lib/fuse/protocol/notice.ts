// Owns the messages that the server sends unasked: what the kernel must no longer answer from its caches.

import { NOTIFY } from './numbers.js';
import { Reply } from './reply.js';

// Two numbers, and the longest name with a NUL.
const CAPACITY = 16 + 256;

function notice(code: number, put: (reply: Reply) => void): Uint8Array {
  const reply = new Reply(CAPACITY);
  put(reply);
  return reply.unasked(code);
}

/** The attributes of an inode changed. The kernel keeps the inode's pages until it finds other times or another size. */
export function inodeNotice(nodeId: number): Uint8Array {
  return notice(NOTIFY.invalidInode, (reply) => {
    reply.u64(nodeId);
    // A negative offset stands for attributes alone.
    reply.i64(-1n);
    reply.i64(0n);
  });
}

/** A name in the directory `nodeId` leads elsewhere, or nowhere. */
export function entryNotice(nodeId: number, name: Uint8Array): Uint8Array {
  return notice(NOTIFY.invalidEntry, (reply) => {
    reply.u64(nodeId);
    reply.u32(name.byteLength);
    reply.u32(0);
    reply.put(name);
    reply.zeros(1);
  });
}
