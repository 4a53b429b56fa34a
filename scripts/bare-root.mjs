// Owns a Debian that has nothing, made by debootstrap as root, for what a stranger's machine would run.

import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Runs a program; throws where it fails. Returns what it printed. */
export function must(command, args, options = {}) {
  const { status, stdout, error } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? `exit status ${status}`}`);
  return stdout;
}

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'node-dax');

// debootstrap takes half a minute of the processor, and what it makes is kept.
function bootstrapped(codename) {
  const kept = join(cache, `${codename}.tar`);
  if (existsSync(kept)) return kept;
  mkdirSync(cache, { recursive: true });
  const [archive] = must('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', 'Codename: bookworm']).split('\n');
  const folder = mkdtempSync(`${kept}-`);
  try {
    const settings = join(folder, 'root/etc/dpkg/dpkg.cfg.d');
    mkdirSync(settings, { recursive: true });
    // As in Debian's images for containers: a root that is thrown away need not reach the disk.
    writeFileSync(join(settings, 'unsafe-io'), 'force-unsafe-io\n');
    // What it mounts goes with it: no mount of this machine is ever below a folder that is removed.
    must('unshare', ['--mount', 'debootstrap', '--variant=minbase', codename, join(folder, 'root'), archive], { stdio: ['ignore', 'ignore', 'inherit'] });
    must('tar', ['--directory', join(folder, 'root'), '--create', '--file', join(folder, 'tar'), '.']);
    renameSync(join(folder, 'tar'), kept);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return kept;
}

// The archive, the proxies and the certificates are this machine's; nothing else is.
function fill(root, codename) {
  must('tar', ['--directory', root, '--extract', '--file', bootstrapped(codename)]);
  for (const path of ['/etc/apt', '/etc/resolv.conf', '/etc/hosts', '/etc/ssl/certs', '/usr/local/share/ca-certificates', '/usr/etc/npmrc', join(homedir(), '.npmrc')]) {
    if (existsSync(path)) cpSync(path, join(root, path), { recursive: true, dereference: true, force: true });
  }
  for (const name of ['sources.list', ...readdirSync(join(root, 'etc/apt/sources.list.d')).map((name) => join('sources.list.d', name))]) {
    const file = join(root, 'etc/apt', name);
    if (existsSync(file)) writeFileSync(file, readFileSync(file, 'utf8').replaceAll('bookworm', codename));
  }
  // GitHub's machines have it.
  writeFileSync(join(root, 'usr/local/bin/sudo'), '#!/bin/sh\nexec "$@"\n');
  chmodSync(join(root, 'usr/local/bin/sudo'), 0o755);
}

/** Calls `body` with the path of a new Debian, bookworm or older, below the temporary folder, which is removed when it returns or throws. */
export function withRoot(body, codename = 'bookworm') {
  const root = mkdtempSync(join(tmpdir(), 'node-dax-root-'));
  try {
    fill(root, codename);
    body(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Node of the registry, with npm and the headers of this one: what setup-node unpacks. */
export function setUpNode(root, version) {
  const platform = `node-linux-${process.arch}`;
  const folder = mkdtempSync(join(tmpdir(), 'node-dax-node-'));
  must('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder, `${platform}@${version}`, 'npm@11']);
  const local = join(root, 'usr/local');
  cpSync(join(folder, 'node_modules', platform, 'bin/node'), join(local, 'bin/node'));
  cpSync(join(folder, 'node_modules/npm'), join(local, 'lib/node_modules/npm'), { recursive: true });
  for (const name of ['npm', 'npx']) {
    writeFileSync(join(local, 'bin', name), `#!/bin/sh\nexec node /usr/local/lib/node_modules/npm/bin/${name}-cli.js "$@"\n`);
    chmodSync(join(local, 'bin', name), 0o755);
  }
  cpSync(join(dirname(process.execPath), '../include/node'), join(local, 'include/node'), { recursive: true });
  rmSync(folder, { recursive: true });
}

const MOUNTS = 'mount -t proc proc "$0/proc" && mount --rbind /sys "$0/sys" && mount --rbind /dev "$0/dev"';

/** Runs a script of bash in a folder of the root, and returns its exit status. What it prints goes to standard error. Its mounts and processes end with it. */
export function run(root, folder, command, env) {
  const file = join(root, 'tmp', 'step.sh');
  writeFileSync(file, command);
  const passed = Object.entries(process.env).filter(([name]) => /_proxy$|^NODE_EXTRA_CA_CERTS$/i.test(name));
  const variables = { ...Object.fromEntries(passed), HOME: '/root', PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', npm_config_nodedir: '/usr/local', ...env };
  const chroot = 'exec chroot "$0" sh -c "cd $1 && exec bash -e /tmp/step.sh"';
  // By env, because tap adds to the environment of what is spawned.
  const named = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  return spawnSync('env', ['-i', ...named, 'unshare', '--mount', '--pid', '--fork', 'sh', '-c', `${MOUNTS} && ${chroot}`, root, folder], { stdio: ['ignore', 2, 2] }).status;
}
