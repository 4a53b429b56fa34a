// Runs after `npm ci` in a checkout, and where a package manager installs node-dax from git: makes what is not committed,
// dist/ and, where there is no addon for this machine, prebuilds/.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function run(what, command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status === 0) return;
  console.error(`node-dax: ${what} (see above); \`npm ci --ignore-scripts\` installs the dependencies alone`);
  process.exit(1);
}

function hasAddon() {
  const folder = join(root, 'prebuilds', `linux-${process.arch}`);
  return existsSync(join(root, 'build', 'Release', 'node_dax.node')) || (existsSync(folder) && readdirSync(folder).length > 0);
}

run('the TypeScript did not compile', process.execPath, [join(root, 'scripts', 'compile.mjs')]);
if (process.platform === 'linux' && !hasAddon()) {
  run('the addon did not compile, which needs g++, make and python3', 'npm', ['run', 'prebuildify']);
}
