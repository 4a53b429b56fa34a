// Owns /proc/locks: which processes hold a lock on a file.

import type { SystemTree } from '../system/system-tree.js';

/** The processes that hold a lock on the file `ino` of the filesystem `dev`, in words; none if the kernel does not tell. */
export function lockersOf(dev: bigint, ino: bigint, tree: SystemTree): string[] {
  const minor = (dev % 0x100n) + ((dev / 0x100000n) % 0x1000000n) * 0x100n;
  const major = ((dev / 0x100n) % 0x1000n) + (dev / 0x100000000000n) * 0x1000n;
  const hex = (number: bigint): string => number.toString(16).padStart(2, '0');
  const file = `${hex(major)}:${hex(minor)}:${ino}`;
  const found = new Set<string>();
  for (const line of tree.text('/proc/locks')?.split('\n') ?? []) {
    // A waiter for the lock has an arrow before the kind.
    const [, kind, , , pid, of] = line.split(/\s+/);
    // The pid is -1 for a lock on a range, which belongs to an open file and to no process, and 0 for a process of another PID
    // namespace.
    if (of !== file || kind === '->' || pid === undefined || Number(pid) <= 0) continue;
    found.add(Number(pid) === process.pid ? `another device of this process (${pid})` : processNamed(pid, tree));
  }
  return [...found];
}

function processNamed(pid: string, tree: SystemTree): string {
  const name = tree.text(`/proc/${pid}/comm`);
  return name === undefined ? `process ${pid}` : `process ${pid} (${name})`;
}
