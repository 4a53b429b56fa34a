// A command loads what it needs: nobody who copies a file waits for the plots of the benchmark.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MAIN } from '../helpers/cli.js';

// Files of this package that `ext2 put` loads, and all others: those of commander, of what finds the addon, and the addon.
const MOST_OWN = 110;
const MOST_OTHERS = 10;

// Prints what the process has loaded, when it ends.
const PRELOAD = `process.on('exit', () => process.stderr.write('LOADED ' + JSON.stringify(Object.keys(require.cache))))`;

function loadedBy(folder: string, ...args: string[]): string[] {
  return loadedByFile(folder, MAIN, ...args);
}

function loadedByFile(folder: string, file: string, ...args: string[]): string[] {
  const preload = join(folder, 'preload.cjs');
  // A test runner puts its own modules into the children of a test, by NODE_OPTIONS.
  const { stderr } = spawnSync('env', ['-u', 'NODE_OPTIONS', process.execPath, '--require', preload, file, ...args], { encoding: 'utf8' });
  return JSON.parse(stderr.slice(stderr.indexOf('LOADED ') + 7)) as string[];
}

t.test('the files that a command loads', (t) => {
  const folder = t.testdir({ 'preload.cjs': PRELOAD, source: 'text' });
  const image = join(folder, 'image');
  loadedBy(folder, 'ext2', 'mkfs', image, '--size', '1M');
  const put = loadedBy(folder, 'ext2', 'put', image, join(folder, 'source'), '/');
  t.ok(put.some((file) => file.endsWith('/cli/ext2/copying/put.js')));
  t.strictSame(put.filter((file) => /\/lib\/(?:bench|demo)\/|\/lib\/vm\/(?!size\.js)|\/cli\/ext2\/changing\/mkfs\.js|\/d3-|\/cli-table3\/|\/cli-progress\//.test(file)), []);
  const own = put.filter((file) => file.includes('/dist/'));
  t.ok(own.length <= MOST_OWN, `${own.length} files of this package`, { own });
  const others = put.filter((file) => !own.includes(file) && !file.endsWith('preload.cjs'));
  t.ok(others.length <= MOST_OTHERS, `${others.length} others`, { others });
  const ls = loadedBy(folder, 'famfs', 'ls', join(folder, 'source'));
  t.ok(ls.some((file) => file.endsWith('/cli/famfs/show.js')));
  t.strictSame(ls.filter((file) => /\/lib\/(?:bench|demo|ext2|fs)\/|\/lib\/vm\/(?!size\.js)|\/cli\/ext2\//.test(file)), []);
  const list = loadedBy(folder, 'list');
  t.strictSame(list.filter((file) => /\/lib\/(?:bench|demo|ext2|fs|vm)\//.test(file)), []);
  t.end();
});

t.test('no command loads the loader of ES modules', (t) => {
  const folder = t.testdir({ 'preload.cjs': "process.on('exit', () => process.stderr.write('LOADED ' + JSON.stringify(process.moduleLoadList)))" });
  const ofEsm = (names: readonly string[]) => names.filter((name) => /\/esm\/(?:translators|module_job)|cjs-module-lexer/.test(name));
  const empty = join(folder, 'empty.cjs');
  writeFileSync(empty, '');
  for (const args of [['ext2', 'mkfs', join(folder, 'image'), '--size', '1M'], ['ext2', 'check', join(folder, 'image')], ['log', 'create', '--help']]) {
    t.strictSame(ofEsm(loadedBy(folder, ...args)), ofEsm(loadedByFile(folder, empty)), args.join(' '));
  }
  t.end();
});

t.test('only the version loads no command', (t) => {
  const folder = t.testdir({ 'preload.cjs': PRELOAD });
  const loaded = loadedBy(folder, '--version').filter((file) => file.includes('/dist/'));
  t.strictSame(loaded.filter((file) => !file.includes('/dist/lib/cli/')), []);
  t.ok(loaded.length <= 6, `${loaded.length} files of this package`, { loaded });
  t.end();
});
