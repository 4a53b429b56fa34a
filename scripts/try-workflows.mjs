// Runs a job's own commands as they stand, in a Debian that has nothing: `try-workflows.mjs WORKFLOW JOB [--except TEXT]… [--node VERSION]`,
// as root, with debootstrap. `try-workflows.mjs test lint`. Actions are done by hand: checkout copies what git knows, setup-node
// unpacks Node of the registry, the action of this repository runs its steps. What needs GitHub's own machine, or holds a TEXT, is named and left out.

import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';

const checkout = join(dirname(fileURLToPath(import.meta.url)), '..');
const { values, positionals: [workflow, job] } = parseArgs({
  allowPositionals: true,
  options: { except: { type: 'string', multiple: true, default: [] }, node: { type: 'string', default: '20' } },
});
const HOSTED = /\bdocker run\b|\budevadm\b/;

function read(path) {
  return parse(readFileSync(join(checkout, path), 'utf8'));
}

function must(command, args, options = {}) {
  const { status, stdout, error } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? `exit status ${status}`}`);
  return stdout;
}

// The archive, the proxies and the certificates are this machine's; nothing else is.
function makeRoot(root) {
  const [archive] = must('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', 'Codename: bookworm']).split('\n');
  // What it mounts goes with it: no mount of this machine is ever below a folder that is removed.
  must('unshare', ['--mount', 'debootstrap', '--variant=minbase', 'bookworm', root, archive], { stdio: ['ignore', 'ignore', 'inherit'] });
  for (const path of ['/etc/apt', '/etc/resolv.conf', '/etc/hosts', '/etc/ssl/certs', '/usr/local/share/ca-certificates', '/usr/etc/npmrc', join(homedir(), '.npmrc')]) {
    if (existsSync(path)) cpSync(path, join(root, path), { recursive: true, dereference: true, force: true });
  }
  // GitHub's machines have it.
  writeFileSync(join(root, 'usr/local/bin/sudo'), '#!/bin/sh\nexec "$@"\n');
  chmodSync(join(root, 'usr/local/bin/sudo'), 0o755);
}

/** Node of the registry, with npm and the headers of this one: what setup-node unpacks. */
function setUpNode(root) {
  const platform = `node-linux-${process.arch}`;
  const folder = mkdtempSync(join(tmpdir(), 'node-dax-node-'));
  must('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder, `${platform}@${values.node}`, 'npm@11']);
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

function copyCheckout(root) {
  for (const file of must('git', ['-C', checkout, 'ls-files', '-z']).split('\0')) {
    if (file !== '') cpSync(join(checkout, file), join(root, 'checkout', file));
  }
}

const MOUNTS = 'mount -t proc proc "$0/proc" && mount --rbind /sys "$0/sys" && mount --rbind /dev "$0/dev"';

function run(root, command, env) {
  const file = join(root, 'tmp', 'step.sh');
  writeFileSync(file, command);
  const passed = Object.entries(process.env).filter(([name]) => /_proxy$|^NODE_EXTRA_CA_CERTS$/i.test(name));
  const variables = { ...Object.fromEntries(passed), HOME: '/root', PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', CI: 'true', GITHUB_ACTIONS: 'true', npm_config_nodedir: '/usr/local', ...env };
  const chroot = 'exec chroot "$0" sh -c "cd /checkout && exec bash -e /tmp/step.sh"';
  return spawnSync('unshare', ['--mount', '--pid', '--fork', 'sh', '-c', `${MOUNTS} && ${chroot}`, root], { env: variables, stdio: ['ignore', 'inherit', 'inherit'] }).status;
}

const { jobs } = read(`.github/workflows/${workflow}.yml`);
const root = mkdtempSync(join(tmpdir(), 'node-dax-root-'));

function tell(what, name) {
  console.log(`== ${what}: ${name}`);
}

function perform(steps, env = {}) {
  for (const { name, uses, run: command } of steps) {
    const title = name ?? uses ?? command;
    if (uses?.startsWith('actions/checkout@')) copyCheckout(root);
    else if (uses?.startsWith('actions/setup-node@')) setUpNode(root);
    else if (uses?.startsWith('./')) {
      perform(read(join(uses, 'action.yml')).runs.steps, { GITHUB_ACTION_PATH: join('/checkout', uses), GITHUB_OUTPUT: '/tmp/output' });
    } else if (command === undefined || HOSTED.test(command) || values.except.some((text) => command.includes(text))) tell('left out', title);
    else {
      tell('runs', title);
      const status = run(root, command.replaceAll(/\$\{\{ matrix\.persistence \}\}/g, 'mem-ctrl'), env);
      if (status !== 0) throw new Error(`${title}: exit status ${status}`);
    }
  }
}

try {
  makeRoot(root);
  mkdirSync(join(root, 'checkout'));
  perform(jobs[job].steps);
  tell('fine', `${workflow} ${job}`);
} catch (error) {
  tell('failed', error.message);
  process.exitCode = 1;
} finally {
  rmSync(root, { recursive: true, force: true });
}
