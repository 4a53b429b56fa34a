// What is said where the addon does not load: each cause has its reason and its cure.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ROOT, run, type Outcome } from './consumer.js';

const folder = t.testdir({ 'damaged.node': 'no addon', 'short.node': '' });
const OPEN = `
const { openSync } = require(${JSON.stringify(ROOT)});
try {
  openSync(process.argv[1], { size: 4096 }).closeSync();
  console.log('fine');
} catch (error) {
  console.log(error.code, error.reason, error.hint);
}
`;

function open(flags: readonly string[], env: Record<string, string> = {}): Outcome {
  return run(process.execPath, [...flags, '--eval', OPEN, join(folder, 'file')], { cwd: folder, env });
}

t.test('the permission model', (t) => {
  const permission = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';
  const allowed = [permission, '--allow-fs-read=*', '--allow-fs-write=*'];
  t.match(open(allowed).stdout, /^EACCES ADDON_NOT_PERMITTED .*--allow-addons/);
  t.equal(open([...allowed, '--allow-addons']).stdout, 'fine\n');
  const hidden = [permission, `--allow-fs-read=${ROOT}`, `--allow-fs-read=${folder}`, `--allow-fs-write=${folder}`, '--allow-addons'];
  t.equal(open(hidden).stdout, 'fine\n', '/proc/self/maps cannot be read');
  t.end();
});

t.test('--no-addons', (t) => {
  t.match(open(['--no-addons']).stdout, /^EACCES ADDONS_DISABLED .*--no-addons/);
  t.match(open([], { NODE_OPTIONS: '--no-addons' }).stdout, /^EACCES ADDONS_DISABLED .*NODE_OPTIONS/);
  t.end();
});

t.test('NODE_DAX_ADDON', (t) => {
  t.match(open([], { NODE_DAX_ADDON: 'none.node' }).stdout, /^ENOENT ADDON_NOT_FOUND NODE_DAX_ADDON names no file/);
  for (const name of ['damaged.node', 'short.node']) {
    t.match(open([], { NODE_DAX_ADDON: name }).stdout, /^ENOEXEC ADDON_DAMAGED .*install node-dax anew/, name);
  }
  t.equal(open([], { NODE_DAX_ADDON: join(ROOT, 'build', 'Release', 'node_dax.node') }).stdout, 'fine\n');
  t.equal(open([], { NODE_DAX_ADDON: '' }).stdout, 'fine\n', 'an empty one names none');
  t.end();
});

t.test('a bundle', (t) => {
  // Where the code is decides: a copy of it, elsewhere.
  writeFileSync(join(folder, 'package.json'), '{"name": "bundle"}');
  const copied = `require('node:fs').cpSync(${JSON.stringify(join(ROOT, 'dist', 'src'))}, 'a/b', { recursive: true });`;
  const link = `require('node:fs').symlinkSync(${JSON.stringify(join(ROOT, 'node_modules'))}, 'node_modules');`;
  const code = `${copied}${link}${OPEN.replace(JSON.stringify(ROOT), `'${folder}/a/b/index.js'`)}`;
  const { stdout } = run(process.execPath, ['--eval', code, join(folder, 'file')], { cwd: folder });
  t.match(stdout, /^ENOENT ADDON_IN_BUNDLE .*external/);
  t.end();
});
