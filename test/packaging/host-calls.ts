// Owns the watchdog of the host's filesystems: a program runs under strace, and what it did to them is told.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Outcome } from './consumer.js';

// Every call that takes a path, with the paths in full.
const STRACE = ['-f', '-qq', '--seccomp-bpf', '-e', 'trace=%file'];

const CHANGES = /^\d+ +(?:(?:creat|mkdir|mknod|rename|link|symlink|unlink|rmdir|truncate|f?chmod|[fl]?chown|utime|futimes|l?setxattr|l?removexattr)\w*\(|open\w*\(.*\bO_(?:WRONLY|RDWR|CREAT|TRUNC)\b)/;

// Node's own access to /dev/null. From node-dax: the memory that the filesystem is in, a probe of how much memory can be reached,
// and paths with which it lets node:fs check arguments; the kernel refuses these paths without a look-up, because they are too
// long.
const OWN = /"(?:\/dev\/null|\/dev\/shm\/node-dax-scratch-[^"/]+|\/tmp\/node-dax-\w{6}(?:\/copy)?|\/x{4000,})"/;

/** Why strace cannot watch here; undefined where it can. */
export function notWatched(): string | undefined {
  const { status, error, stderr } = spawnSync('strace', [...STRACE, '-o', '/dev/null', 'true'], { encoding: 'utf8' });
  return status === 0 ? undefined : `strace cannot trace: ${error?.message ?? stderr.trim()}`;
}

/** The end of a program, while this process goes on: a server may be in it. */
export async function ended(program: string, args: readonly string[]): Promise<Outcome> {
  // tap gives each child a NODE_OPTIONS that loads files of its own. io_uring would open files unseen.
  const child = spawn(program, args, { env: { ...process.env, NODE_OPTIONS: '', UV_USE_IO_URING: '0' }, stdio: ['ignore', 'pipe', 'pipe'] });
  const told = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) child[name].setEncoding('utf8').on('data', (text: string) => { told[name] += text; });
  const status = await new Promise<number | null>((done) => {
    child.on('error', (error) => { told.stderr += error.message; });
    child.on('close', done);
  });
  return { status, ...told };
}

/** As `ended`, and the system calls with which it changed anything on the host, or asked for a path that has `below` in it. */
export async function watched(below: string, program: string, args: readonly string[]): Promise<Outcome & { calls: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'node-dax-strace-'));
  try {
    const file = join(folder, 'calls');
    const outcome = await ended('strace', [...STRACE, '-o', file, program, ...args]);
    const lines = readFileSync(file, 'utf8').split('\n').filter((line) => !line.includes(' execve(') && !OWN.test(line));
    return { ...outcome, calls: lines.filter((line) => line.includes(below) || CHANGES.test(line)) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
