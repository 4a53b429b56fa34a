// Owns mounting on a directory and unmounting from it: by mount(8) and umount(8) for root, by fusermount3 for other users.

import { spawn, spawnSync, type StdioOptions } from 'node:child_process';
import { closeSync, constants, openSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { DaxError, receiveDescriptor, socketPair } from 'node-dax';

/** The parameters of a mount. */
export interface Mounting {
  /** Absolute, without links in it. */
  readonly directory: string;
  /** The source that is shown for the mount. */
  readonly source: string;
  /** Options of mount(8). */
  readonly options: readonly string[];
}

const TYPE = 'fuse.node-dax';

const isRoot = (): boolean => process.geteuid?.() === 0;

interface Ran {
  readonly status: number | null;
  readonly stderr: string;
}

// Runs a command asynchronously, because it may look at the mount, which this process serves.
function run(command: string, args: readonly string[], stdio: StdioOptions, env = process.env): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio, env: { ...env, LC_ALL: 'C' } });
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => { stderr += text; });
    child.on('error', reject).on('close', (status) => { resolve({ status, stderr: stderr.trim() }); });
  });
}

function missing(command: string, directory: string, packageName: string, cause: unknown): DaxError {
  return new DaxError({ errno: 'ENOENT', syscall: 'mount', path: directory, cause, hint: `there is no ${command}: install ${packageName}` });
}

function refused(syscall: string, directory: string, { stderr, status }: Ran): DaxError {
  const isBusy = /busy/i.test(stderr);
  const hint = isBusy ? 'a program has a file open in it, or works in it' : stderr || `exit status ${status ?? 'unknown'}`;
  const code = isBusy ? 'EBUSY' : /permitted|denied|must be superuser/i.test(stderr) ? 'EPERM' : 'EINVAL';
  return new DaxError({ errno: code, syscall, path: directory, hint });
}

// Commas separate options, so that those in a value are escaped.
function escaped(value: string): string {
  return value.replaceAll(/[\\,]/g, String.raw`\$&`);
}

async function mountAsRoot({ directory, source, options }: Mounting): Promise<number> {
  const fd = openFuse();
  try {
    // The child gets `fd` as its descriptor 3.
    const identity = ['fd=3', `rootmode=${modeOf(directory).toString(8)}`, `user_id=${process.getuid?.() ?? 0}`, `group_id=${process.getgid?.() ?? 0}`];
    const args = ['-i', '-t', TYPE, '-o', [...identity, ...options].join(','), source, directory];
    const ran = await run('mount', args, ['ignore', 'ignore', 'pipe', fd]).catch((cause: unknown) => {
      throw missing('mount', directory, 'util-linux', cause);
    });
    if (ran.status !== 0) throw refused('mount', directory, ran);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function modeOf(directory: string): number {
  const { mode } = statSync(directory);
  return mode - (mode % 0o10000);
}

function openFuse(): number {
  try {
    // eslint-disable-next-line no-bitwise -- flags of open(2)
    return openSync('/dev/fuse', constants.O_RDWR | constants.O_NONBLOCK);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'EIO';
    const hint = code === 'ENOENT' ? 'the kernel has no FUSE: `modprobe fuse`, or, in a container, `--device /dev/fuse`' : 'this process may not open it';
    throw new DaxError({ errno: code, syscall: 'open', path: '/dev/fuse', cause, hint });
  }
}

// fusermount3 opens /dev/fuse, mounts, and sends the descriptor over the socket that _FUSE_COMMFD names.
async function mountAsUser({ directory, source, options }: Mounting): Promise<number> {
  const [ours, theirs] = socketPair();
  try {
    const args = ['-o', [...options, `fsname=${escaped(source)}`, 'subtype=node-dax'].join(','), '--', directory];
    const ran = await run('fusermount3', args, ['ignore', 'ignore', 'pipe', theirs], { ...process.env, _FUSE_COMMFD: '3' }).catch((cause: unknown) => {
      throw missing('fusermount3', directory, 'fuse3', cause);
    });
    const fd = receiveDescriptor(ours);
    if (ran.status === 0 && fd !== undefined) return fd;
    if (fd !== undefined) closeSync(fd);
    throw refused('mount', directory, ran);
  } finally {
    closeSync(ours);
    closeSync(theirs);
  }
}

/** Mounts, and resolves to the descriptor that requests are read from. Throws `DaxError` with the message of the mount command. */
export function mount(mounting: Mounting): Promise<number> {
  return isRoot() ? mountAsRoot(mounting) : mountAsUser(mounting);
}

const unmountCommand = (directory: string, lazy: boolean): [command: string, args: string[]] =>
  isRoot() ? ['umount', ['-i', ...(lazy ? ['-f', '-l'] : []), '--', directory]] : ['fusermount3', ['-u', ...(lazy ? ['-z'] : []), '--', directory]];

// A path as /proc/self/mountinfo shows it: with octal numbers for what separates its fields.
function shown(path: string): string {
  return path.replaceAll(/[ \t\n\\]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

/** The number of the device that is mounted on a directory, on top of all others, as `0:57`. Undefined if nothing is, or /proc is not. */
export function mountedOn(directory: string): string | undefined {
  try {
    const mounts = readFileSync('/proc/self/mountinfo', 'latin1').split('\n').map((line) => line.split(' '));
    const name = Buffer.from(shown(directory)).toString('latin1');
    // The last one is on top of the others.
    return mounts.filter((fields) => fields[4] === name).at(-1)?.[2];
  } catch {
    return undefined;
  }
}

/** A process that has a device mounted, such as `0:57`, in a mount namespace that may be another. Undefined if none is found. */
export function holderOf(device: string): number | undefined {
  return readdirSync('/proc').map(Number).find((pid) => {
    try {
      return !Number.isNaN(pid) && readFileSync(`/proc/${pid}/mountinfo`, 'latin1').includes(` ${device} `);
    } catch {
      // It has ended, or is not ours to look at.
      return false;
    }
  });
}

/**
 * Lets the kernel read `bytes` ahead in files of a mount: with its default of 128 KiB, it would split one request into eight. Only
 * root may change it; for others, and if /sys cannot be written, the default stays. Call it once the kernel has the answer to
 * `init`.
 */
export function readAhead(device: string, bytes: number): void {
  try {
    writeFileSync(`/sys/class/bdi/${device}/read_ahead_kb`, String(bytes / 1024));
  } catch {
    // Files are read in smaller pieces then.
  }
}

/** Unmounts. Throws `EBUSY` while the mount is in use, unless `lazy` only detaches it from its directory. */
export async function unmount(directory: string, lazy: boolean): Promise<void> {
  const ran = await run(...unmountCommand(directory, lazy), ['ignore', 'ignore', 'pipe']);
  if (ran.status !== 0) throw refused('umount', directory, ran);
}

/** Removes the mount while the process ends. Close its descriptor first, because this process no longer answers requests. */
export function unmountAtExit(directory: string): void {
  spawnSync(...unmountCommand(directory, true), { stdio: 'ignore' });
}
