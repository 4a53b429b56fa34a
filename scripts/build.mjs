// Makes the checkout runnable: installs the dependencies, builds the addon, compiles the TypeScript.
// Does only what is out of date. Names what is missing on the machine and the package that brings it.
// `--sanitize=address,undefined` builds the addon with sanitizers, until the next build without. `--without-tests` leaves
// out the programs of test/native.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { missingTools } from './toolchain.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { sanitize, 'without-tests': withoutTests } = parseArgs({
  options: { sanitize: { type: 'string', default: '' }, 'without-tests': { type: 'boolean', default: false } },
}).values;

function fail(message) {
  console.error(`node-dax: ${message}`);
  process.exit(1);
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error) fail(`${command} did not start: ${error.message}`);
  return status === 0;
}

// npm writes node_modules/.package-lock.json last, so it is there only after a complete installation.
function dependenciesAreCurrent() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const found = JSON.parse(readFileSync(installed, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional || found[path]?.version === version,
  );
}

function installDependencies() {
  if (dependenciesAreCurrent()) return;
  console.error('node-dax: installing dependencies');
  // Without scripts: that of this package would build it here and now.
  if (!run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'])) fail('npm could not install the dependencies (see above)');
  // Without tap's loaders, which take seconds of each process and thread of the tests. By default, tap leaves them out only after
  // its first run.
  const tap = join(root, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs');
  if (!run(process.execPath, [tap, 'build'])) fail('tap could not be built with the plugins of package.json (see above)');
}

function nodeDirectory() {
  const prefix = process.env.npm_config_nodedir ?? join(dirname(process.execPath), '..');
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? prefix : undefined;
}

// node-gyp alone, and prebuildify, leave a build folder without this file: it lacks what the tests need.
const configured = join(root, 'build', 'configured');
const tests = `-Dbuild_tests=${withoutTests ? 0 : 1}`;
const sanitizers = `-Dsanitize=${sanitize}`;

// With the tests there is all that is needed without.
function isConfigured() {
  const found = existsSync(configured) ? readFileSync(configured, 'utf8') : '';
  return found === `-Dbuild_tests=1 ${sanitizers}` || found === `${tests} ${sanitizers}`;
}

function buildAddon() {
  const missing = missingTools();
  if (missing !== undefined) fail(missing);
  const nodedir = nodeDirectory();
  const gyp = join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const flags = ['--loglevel=error', ...(nodedir ? [`--nodedir=${nodedir}`] : [])];
  if (!isConfigured()) {
    // Nothing of another configuration stays: sanitizers exclude one another, and so some programs are not built with all.
    rmSync(join(root, 'build'), { recursive: true, force: true });
    if (!run(process.execPath, [gyp, 'configure', ...flags, '--', tests, sanitizers])) {
      const headers =
        "Node's headers (node_api.h) are not beside this node and could not be downloaded: " +
        'Debian and Ubuntu: apt-get install libnode-dev, then npm config set nodedir /usr';
      fail(nodedir ? 'node-gyp could not configure the addon (see above)' : headers);
    }
    writeFileSync(configured, `${tests} ${sanitizers}`);
  }
  if (!run(process.execPath, [gyp, 'build', '--jobs=max', ...flags])) fail('the addon did not compile (see above)');
}

function compileTypeScript() {
  if (!run(process.execPath, [join(root, 'scripts', 'compile.mjs')])) fail('the TypeScript did not compile (see above)');
}

installDependencies();
buildAddon();
compileTypeScript();
