// Owns an empty project that the packed tarball is installed into, on a machine with nothing but Node and a shell.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import type { Test } from 'tap';

/** What `roundTrip` of ROUND_TRIP prints. */
export const PRINTED = 'persistent memory\n';

/** The checkout. */
export const ROOT = join(__dirname, '..', '..', '..');

/** The addon's name in the package, for this machine. */
export const PREBUILT = `prebuilds/linux-${process.arch}/node_dax.${isMusl() ? 'musl' : 'glibc'}.node`;

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

interface Settings {
  cwd: string;
  /** PATH; the caller's own by default. */
  path?: string;
  env?: Record<string, string>;
}

export function isMusl(): boolean {
  const header = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header;
  return header.glibcVersionRuntime === undefined;
}

// The variables of the npm and the tap that run this test are about the checkout, not about the project.
function environment(): NodeJS.ProcessEnv {
  const kept = /^(?:HOME|USER|LANG|TMPDIR|XDG_CACHE_HOME|NODE_EXTRA_CA_CERTS|SSL_CERT_\w+|https?_proxy|no_proxy)$/i;
  const npm = /^npm_config_(?!local_prefix$|prefix$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => kept.test(name) || npm.test(name)));
}

export function run(program: string, args: readonly string[], { cwd, path, env }: Settings): Outcome {
  // tap gives each child a NODE_OPTIONS that loads files of its own: env takes that away.
  const options = env?.['NODE_OPTIONS'];
  const own = options === undefined ? ['-u', 'NODE_OPTIONS'] : [`NODE_OPTIONS=${options}`];
  const { status, stdout, stderr, error } = spawnSync('/usr/bin/env', [...own, program, ...args], {
    cwd,
    encoding: 'utf8',
    env: { ...environment(), PATH: path ?? process.env['PATH'], ...env },
    maxBuffer: 64 * 1024 * 1024,
  });
  return error === undefined ? { status, stdout, stderr } : { status: null, stdout: '', stderr: error.message };
}

/** As `run`; throws where the program fails. Returns what it printed. */
export function must(program: string, args: readonly string[], settings: Settings): string {
  const { status, stdout, stderr } = run(program, args, settings);
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${String(status)}\n${stdout}\n${stderr}`);
  return stdout;
}

function npmFolder(): string {
  const named = process.env['npm_execpath'];
  if (named?.endsWith('npm-cli.js') === true) return dirname(named);
  const found = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'npm')).find((file) => existsSync(file));
  if (found === undefined) throw new Error('npm is not on the PATH');
  return dirname(realpathSync(found));
}

export function npm(args: readonly string[], settings: Settings): Outcome {
  return run(process.execPath, [join(npmFolder(), 'npm-cli.js'), ...args], settings);
}

export function npx(args: readonly string[], settings: Settings): Outcome {
  return run(process.execPath, [join(npmFolder(), 'npx-cli.js'), ...args], settings);
}

/** True where npm's output says that the registry was not reached. */
export function isOffline({ stdout, stderr }: Outcome): boolean {
  return /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|ERR_SOCKET_TIMEOUT)\b/.test(stdout + stderr);
}

/** Ends the test where the registry was not reached: skipped with the reason, failed in CI. */
export function endOffline(test: Test, outcome: Outcome): void {
  const reason = `the npm registry cannot be reached: ${outcome.stderr.trim().split('\n').at(-1) ?? ''}`;
  if (process.env['CI'] === undefined) test.pass('needs the npm registry', { skip: reason });
  else test.fail(reason);
  test.end();
}

/** A folder that is removed when `test` ends. */
export function temporaryFolder(test: Test, name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `node-dax-${name}-`));
  test.teardown(() => { rmSync(folder, { recursive: true, force: true }); });
  return folder;
}

/** Node's headers beside this Node, for builds without a network. */
export function headers(): Record<string, string> {
  const prefix = join(dirname(realpathSync(process.execPath)), '..');
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? { npm_config_nodedir: prefix } : {};
}

/** What the tarball holds, and where it is. */
export interface Tarball {
  path: string;
  files: readonly string[];
}

/** All is tried, with the tools of the registry; otherwise what needs no compiling and few seconds. */
export const ALL = process.env['NODE_DAX_TEST_PACKAGING'] === 'all';

/**
 * Packs in a copy of the checkout, because other tests use the checkout's build meanwhile. If `isCompiled`, `npm run prepare` makes
 * the addon and dist/ as they are published; otherwise both are those of the build.
 */
export function pack(folder: string, isCompiled = ALL): Tarball {
  const copy = join(folder, 'copy');
  const left = new Set(['node_modules', 'build', 'prebuilds', '.git', '.tap', ...(isCompiled ? ['dist'] : [])]);
  cpSync(ROOT, copy, { recursive: true, filter: (source) => !left.has(relative(ROOT, source)) });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  if (isCompiled) {
    const built = npm(['run', 'prepare'], { cwd: copy, env: headers() });
    if (built.status !== 0) throw new Error(`npm run prepare failed:\n${built.stdout}\n${built.stderr}`);
  } else {
    mkdirSync(join(copy, dirname(PREBUILT)), { recursive: true });
    cpSync(join(ROOT, 'build', 'Release', 'node_dax.node'), join(copy, PREBUILT));
  }
  const packed = npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: copy });
  if (packed.status !== 0) throw new Error(`npm pack failed:\n${packed.stderr}`);
  const [tarball] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }];
  return { path: join(folder, tarball.filename), files: tarball.files.map(({ path }) => path).sort() };
}

/** A PATH with `node` and `sh` and nothing else: no compiler, no make, no Python. */
export function barePath(folder: string): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  symlinkSync(process.execPath, join(bin, 'node'));
  symlinkSync('/bin/sh', join(bin, 'sh'));
  return bin;
}

/** An empty project with these files. */
export function emptyProject(folder: string, files: Record<string, string> = {}): string {
  const project = join(folder, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'project', private: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(project, name), content);
  return project;
}

/**
 * `${XDG_CACHE_HOME:-~/.cache}/node-dax/NAME`, a project that has `packages` of the registry, fetched once; none of their scripts
 * has run. If they cannot be fetched, the message of npm.
 */
export function fetched(name: string, packages: readonly string[]): string | Outcome {
  const named = process.env['XDG_CACHE_HOME'];
  const folder = join(named === undefined || named === '' ? join(homedir(), '.cache') : named, 'node-dax', name);
  // npm writes this file last.
  const isThere = (): boolean => existsSync(join(folder, 'node_modules', '.package-lock.json'));
  if (isThere()) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  // Suites in other processes may fetch the same meanwhile: each does it beside, and the first that has it whole moves it there.
  const beside = mkdtempSync(`${folder}-`);
  try {
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', beside, ...packages];
    const outcome = npm(args, { cwd: beside });
    if (outcome.status !== 0) return outcome;
    try {
      renameSync(beside, folder);
    } catch (error) {
      if (isThere()) return folder;
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
      // An interrupted run has left a part.
      rmSync(folder, { recursive: true, force: true });
      renameSync(beside, folder);
    }
    return folder;
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
}

/** `t.test` with what `fetched` gives; skipped, or failed in CI, where the registry is not reached. */
export function testWith(t: Test, title: string, name: string, packages: readonly string[], body: (t: Test, modules: string) => void): void {
  void t.test(title, (t) => {
    const folder = fetched(name, packages);
    if (typeof folder === 'string') body(t, join(folder, 'node_modules'));
    else if (isOffline(folder)) {
      endOffline(t, folder);
      return;
    } else t.fail(`${packages.join(' ')} cannot be had: ${folder.stderr}`);
    t.end();
  });
}

/** Where the package was installed by npm, and where files may go meanwhile. */
export interface Place {
  folder: string;
  project: string;
  tarball: Tarball;
  /** In the project, with no compiler. */
  bare: { cwd: string; path: string };
}

/** Every file under a folder, relative to it. */
export function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}
