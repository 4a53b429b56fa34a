// Owns filesystems that are mounted for programs: an image on tmpfs, shell scripts that run in it, and what must hold afterwards.

import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync as openFile, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openSync } from 'node-dax';
import { check, mkfsSync, mount, type Ext2, type MkfsOptions } from 'node-dax/ext2';
import { mountFuse, type FuseFilesystem, type FuseInode, type FuseMount, type MountFuseOptions } from 'node-dax/fuse';
import { e2fsckMissing } from './e2fsck.js';

const SIZE = 64 * 1024 * 1024;
// Seconds that a script may take. One that hangs in the mount is killed, so that the test goes on.
const PATIENCE = 120;

// What the scripts of the tests use, beside coreutils.
const PROGRAMS = ['git', 'sqlite3', 'fio', 'python3', 'setpriv', 'fusermount3'];

function obstacle(): string | undefined {
  try {
    closeSync(openFile('/dev/fuse', 'r+'));
  } catch (error) {
    return `/dev/fuse: ${(error as Error).message}`;
  }
  if (process.geteuid?.() !== 0) return 'needs root, to mount';
  const missing = PROGRAMS.find((program) => spawnSync('which', [program]).status !== 0);
  return missing === undefined ? e2fsckMissing() : `${missing} is not installed`;
}

/** Why nothing can be mounted here; undefined if it can. */
export const FUSE_MISSING = obstacle();

/** A test that mounts: skipped with the reason where it cannot, which is a failure in CI. */
export function fuseTest(title: string, run: (test: Test) => Promise<void> | void, options: { timeout?: number } = {}): void {
  if (FUSE_MISSING === undefined) t.test(title, options, run);
  else if (process.env['CI'] === 'true') t.fail(`${title}: ${FUSE_MISSING}`);
  else t.test(title, { skip: FUSE_MISSING }, () => undefined);
}

// `! command` is no failure for `set -e`, whatever the command does.
const REFUSES = 'refuses() { if "$@" 2>/dev/null; then echo "not refused: $*"; exit 1; fi; }';

export interface Ran {
  readonly status: number | null;
  readonly output: string;
}

/** Runs a script of bash, while this process goes on; with its output, and errors among it. */
export function ran(cwd: string, script: string, seconds = PATIENCE): Promise<Ran> {
  return new Promise((resolve, reject) => {
    // Not the runner's own settings: a script may start Node.
    const env = { ...process.env, NODE_OPTIONS: '', LC_ALL: 'C.UTF-8', GIT_CONFIG_NOSYSTEM: '1', GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@b', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@b', HOME: cwd };
    // The directory is entered by the child: this process must not wait for itself.
    const child = spawn('timeout', ['-s', 'KILL', String(seconds), 'bash', '-c', `cd "$0" && exec 2>&1; ${REFUSES}; set -e; ${script}`, cwd], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text; });
    child.on('error', reject).on('close', (status) => { resolve({ status, output }); });
  });
}

/** An empty directory for a mount. Nothing stays mounted on it when `test` ends. */
export function mountPoint(test: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'node-dax-fuse-'));
  test.teardown(() => {
    spawnSync('umount', ['-l', directory]);
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

/** A path for an image on tmpfs, removed when `test` ends. */
export function imagePath(test: Test): string {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'node-dax-fuse-'));
  test.teardown(() => { rmSync(folder, { recursive: true, force: true }); });
  return join(folder, 'image');
}

export interface Mounted {
  readonly fs: Ext2;
  readonly image: string;
  readonly directory: string;
  readonly mount: FuseMount;
  /** Runs a script in it, and fails the test if the script fails. Returns its output. */
  readonly run: (script: string) => Promise<string>;
  /** Unmounts both, and has the image judged. */
  readonly end: () => Promise<void>;
}

export async function mountExt2(test: Test, options: MountFuseOptions = {}, mkfs: MkfsOptions & { size?: number } = {}): Promise<Mounted> {
  const { size = SIZE, ...layout } = mkfs;
  const image = imagePath(test);
  const device = openSync(image, { size });
  mkfsSync(device, { blockSize: 4096, ...layout });
  // As the command mounts it.
  const fs = mount(device, { writeBack: true });
  const directory = mountPoint(test);
  const served = await mountFuse(fs, directory, { cacheMs: 86_400_000, onError: (error) => test.fail('an error that is no answer', { error }), ...options });
  test.teardown(() => served.unmount({ force: true }).catch(() => undefined));
  const end = async (): Promise<void> => {
    await served.unmount();
    fs.unmount();
    test.strictSame(check(device).findings, [], 'check finds nothing');
    await device.close();
    judgeImage(test, image);
  };
  return { fs, image, directory, mount: served, end, run: (script) => runIn(test, directory, script) };
}

export async function runIn(test: Test, directory: string, script: string): Promise<string> {
  const { status, output } = await ran(directory, script);
  test.equal(status, 0, 'the script', { script, output });
  return output;
}

/** `e2fsck -fn` has nothing to say. */
export function judgeImage(test: Test, image: string): void {
  const { status, stdout } = spawnSync('e2fsck', ['-fn', image], { encoding: 'utf8' });
  test.equal(status, 0, 'e2fsck -fn', { stdout });
}

/** Serves any filesystem. */
export async function serve<I extends FuseInode>(test: Test, filesystem: FuseFilesystem<I>, options: MountFuseOptions = {}): Promise<FuseMount> {
  const served = await mountFuse(filesystem, mountPoint(test), options);
  test.teardown(() => served.unmount({ force: true }).catch(() => undefined));
  return served;
}

/** Whether something is mounted there, which the caller may not be allowed to look at. */
export const isMountPoint = (directory: string): boolean => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${directory} `);

