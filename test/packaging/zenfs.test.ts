// The tests of a filesystem that @zenfs/core ships, on node-dax/fs. memfs ships none.

import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ALL, fetched, isMusl, ROOT, temporaryFolder, testWith } from './consumer.js';

// The tests are TypeScript, and dispose of what they open: Node 24 runs both.
const PLATFORM = `node-linux-${process.arch}`;
const FLAGS = {
  lchmod: 'node:fs has lchmod on macOS alone',
  xattr: 'extended attributes are an API of ZenFS',
  'promises.exists': 'an addition of ZenFS to fs/promises',
};
/** What does not apply besides, each with its reason. */
const NOT_RUN = { 'read changes atime': 'access times are set by utimes alone' };
// The tests that are left.
const PASSING = 191;

// As the package's own setup for node:fs, which has `/` for a working directory, and watchers that can be disposed of.
const SETUP = `
import { createRequire } from 'node:module';
import { Stats } from 'node:fs';
import { copySync, data } from './tests/setup.ts';
const require = createRequire(import.meta.url);
const { openScratch } = require('node-dax');
const { mkfsSync, mount } = require('node-dax/ext2');
const { createFs } = require('node-dax/fs');
const device = openScratch(64 * 2 ** 20);
mkfsSync(device);
const own = createFs(mount(device), { umask: 0 });
const two = ['rename', 'link', 'copyFile', 'cp'];
const fromRoot = (name, call) => (...args) => {
  const base = name.replace(/Sync$/, '');
  const paths = base === 'symlink' ? [1] : base === 'glob' ? [] : two.includes(base) ? [0, 1] : [0];
  for (const at of paths) if (typeof args[at] === 'string' && /^[^/]/.test(args[at])) args[at] = '/' + args[at];
  return call(...args);
};
const allFromRoot = (names) => Object.fromEntries(Object.entries(names).map(([name, value]) =>
  [name, typeof value === 'function' && !/^[A-Z]/.test(name) ? fromRoot(name, value) : value]));
export const fs = { ...allFromRoot(own), promises: allFromRoot(own.promises) };
const { watch } = fs;
fs.watch = (...args) => {
  const watcher = watch(...args);
  watcher[Symbol.dispose] ??= () => watcher.close();
  return watcher;
};
export { Stats };
export const flags = ${JSON.stringify({ ...Object.fromEntries(Object.keys(FLAGS).map((flag) => [flag, false])), root: true })};
copySync(data, fs);
`;

function numberOf(what: string, tap: string): number {
  return Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(tap)?.[1] ?? NaN);
}

if (!ALL || isMusl()) {
  t.pass('the tests of @zenfs/core', { skip: ALL ? 'the registry has Node 24 for glibc' : 'NODE_DAX_TEST_PACKAGING=all fetches them' });
} else {
  testWith(t, 'the tests of @zenfs/core', 'zenfs-1', ['@zenfs/core@2.7.6'], (t, modules) => {
    t.setTimeout(1_200_000);
    const nodes = fetched('node-24', [`${PLATFORM}@24`]);
    if (typeof nodes !== 'string') {
      t.fail(`Node 24 cannot be had: ${nodes.stderr}`);
      return;
    }
    // Node strips no types of files in a folder `node_modules`.
    const project = temporaryFolder(t, 'zenfs');
    cpSync(join(modules, '@zenfs', 'core', 'tests'), join(project, 'tests'), { recursive: true });
    writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }');
    writeFileSync(join(project, 'setup.mjs'), SETUP);
    cpSync(modules, join(project, 'node_modules'), { recursive: true });
    symlinkSync(ROOT, join(project, 'node_modules', 'node-dax'));
    const node = join(nodes, 'node_modules', PLATFORM, 'bin', 'node');
    for (const [flag, reason] of Object.entries(FLAGS)) t.pass(flag, { skip: reason });
    for (const [name, reason] of Object.entries(NOT_RUN)) {
      const source = readdirSync(join(project, 'tests', 'fs')).map((file) => readFileSync(join(project, 'tests', 'fs', file), 'utf8')).join('');
      t.ok(source.includes(`'${name}'`), 'there is such a test');
      t.pass(name, { skip: reason });
    }
    let count = 0;
    for (const file of readdirSync(join(project, 'tests', 'fs')).sort()) {
      const args = ['--test-reporter=tap', `--test-skip-pattern=^(?:${Object.keys(NOT_RUN).join('|')})$`, join('tests', 'fs', file)];
      const { stdout, stderr, status } = spawnSync(node, args, { cwd: project, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '', SETUP: join(project, 'setup.mjs') } });
      t.equal(status, 0, file, { stdout, stderr });
      count += numberOf('pass', stdout);
      t.equal(numberOf('cancelled', stdout) + numberOf('todo', stdout), 0);
      const skipped = [...stdout.matchAll(/# SKIP (.*?) is not supported$/gm)].map(([, flag = '']) => flag);
      t.strictSame(skipped.filter((flag) => !(flag in FLAGS)), [], 'only what is named above is left out');
    }
    t.equal(count, PASSING, 'tests that passed');
  });
}
