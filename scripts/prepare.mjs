// Runs after `npm ci` in a checkout, and where a package manager installs node-dax from git: makes the folders that are not
// committed: dist/ and, if there is no addon for this machine, prebuilds/.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { missingTools } from './toolchain.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function fail(message) {
  console.error(`node-dax: ${message}; \`npm ci --ignore-scripts\` installs the dependencies alone`);
  process.exit(1);
}

function run(what, command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) fail(`${what} (see above)`);
}

function hasAddon() {
  const folder = join(root, 'prebuilds', `linux-${process.arch}`);
  return existsSync(join(root, 'build', 'Release', 'node_dax.node')) || (existsSync(folder) && readdirSync(folder).length > 0);
}

const isBuilt = process.platform !== 'linux' || hasAddon();
if (!isBuilt) {
  const missing = missingTools();
  if (missing !== undefined) fail(missing);
}
run('the TypeScript did not compile', process.execPath, [join(root, 'scripts', 'compile.mjs')]);
if (!isBuilt) run('the addon did not compile', 'npm', ['run', 'prebuildify']);
