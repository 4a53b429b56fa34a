// What is said where the addon does not load: each cause has its reason and its cure.

import { chmodSync, copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ROOT, run, type Outcome } from './consumer.js';

const ADDON = join(ROOT, 'build', 'Release', 'node_dax.node');

const folder = t.testdir({ 'damaged.node': 'no addon', 'short.node': '', folder: {}, noexec: {} });
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
  for (const name of ['none.node', 'folder']) {
    t.match(open([], { NODE_DAX_ADDON: name }).stdout, /^ENOENT ADDON_NOT_FOUND NODE_DAX_ADDON names no file/, name);
  }
  for (const name of ['damaged.node', 'short.node']) {
    t.match(open([], { NODE_DAX_ADDON: name }).stdout, /^ENOEXEC ADDON_DAMAGED .*NODE_DAX_ADDON .*is to be a copy of prebuilds/, name);
  }
  t.equal(open([], { NODE_DAX_ADDON: ADDON }).stdout, 'fine\n');
  t.equal(open([], { NODE_DAX_ADDON: '' }).stdout, 'fine\n', 'an empty one names none');
  t.end();
});

t.test('an addon that was cut off does not end the process', (t) => {
  const file = join(folder, 'cut.node');
  copyFileSync(ADDON, file);
  // A page of the file's end, then most of it: the dynamic loader would touch what is no longer there.
  for (const length of [readFileSync(ADDON).length - 4096, 20_000, 100, 40]) {
    truncateSync(file, length);
    t.match(open([], { NODE_DAX_ADDON: 'cut.node' }).stdout, /^ENOEXEC ADDON_DAMAGED .*NODE_DAX_ADDON .*is to be a copy of prebuilds/, `${length} bytes`);
  }
  t.end();
});

t.test('an addon for another processor is there, but does not fit', (t) => {
  const addon = readFileSync(ADDON);
  // e_machine: RISC-V. The C library calls such a file absent.
  addon.writeUInt16LE(243, 18);
  writeFileSync(join(folder, 'foreign.node'), addon);
  t.match(open([], { NODE_DAX_ADDON: 'foreign.node' }).stdout, /^ENOEXEC ADDON_DAMAGED .*made for another system/);
  t.end();
});

const isRoot = process.getuid?.() === 0;
t.test('an addon that this user may not load', { skip: !isRoot && 'needs root, who takes rights away' }, (t) => {
  const tell = (program: string, args: readonly string[], addon: string): string =>
    run(program, [...args, process.execPath, '--eval', OPEN, join(folder, 'file')], { cwd: folder, env: { NODE_DAX_ADDON: addon } }).stdout;
  const hidden = join(folder, 'hidden.node');
  copyFileSync(ADDON, hidden);
  chmodSync(hidden, 0);
  const refusal = /^EACCES ADDON_NOT_ACCESSIBLE .*noexec.*NODE_DAX_ADDON/;
  t.match(tell('setpriv', ['--bounding-set', '-dac_override,-dac_read_search'], hidden), refusal, 'it may not be read');
  const mounted = 'mount -t tmpfs -o noexec node-dax noexec && cp "$0" noexec/addon.node && exec "$@"';
  t.match(tell('unshare', ['--mount', 'sh', '-c', mounted, ADDON], 'noexec/addon.node'), refusal, 'it lies where nothing is executed');
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
