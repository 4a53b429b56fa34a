// What runs the suites: it counts what passed, tells what failed, and calls nothing a success that did not end as one.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const SCRIPTS = join(__dirname, '..', '..', 'scripts');

const SUITES = {
  good: "console.log('TAP version 14\\nok 1 - a sentence\\nok 2 - a device # SKIP there is none\\n1..2')",
  bad: "console.log('TAP version 14\\n# Subtest: inner\\n    not ok 1 - a promise\\n    1..1\\nnot ok 1 - inner\\n1..1'); process.exitCode = 1",
  ends: "console.log('TAP version 14\\nok 1 - begun'); process.kill(process.pid, 'SIGKILL')",
  mute: '',
};

function suites(names: readonly (keyof typeof SUITES)[]): Record<string, Record<string, Record<string, string>>> {
  return { dist: { test: Object.fromEntries(names.map((name) => [`${name}.test.js`, SUITES[name]])) } };
}

t.test('npm test', (t) => {
  const cwd = t.testdir(suites(['bad', 'ends', 'good', 'mute']));
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(SCRIPTS, 'test.mjs'), ...args], { cwd, encoding: 'utf8', env: { ...process.env, TAP_OUTPUT_FILE: join(cwd, 'out.tap') } });
  const good = run('dist/test/good');
  t.match(good, { status: 0, stdout: /^ok dist\/test\/good\.test\.js .* s\nskipped 1: there is none\n\n1 passed, 0 failed, 1 skipped/ }, good.stderr);
  const all = run();
  t.match(all, { status: 1, stdout: /2 passed, 3 failed, 1 skipped/ });
  t.match(all.stdout, /not ok: dist\/test\/bad\.test\.js > inner > a promise\n/);
  t.match(all.stdout, /not ok: dist\/test\/ends\.test\.js\n(?: .*\n)* {2}error: SIGKILL\n/);
  t.match(all.stdout, /not ok: dist\/test\/mute\.test\.js\n(?: .*\n)* {2}error: it ran no test\n/);
  const counted = spawnSync(process.execPath, [join(SCRIPTS, 'count-tap.mjs'), join(cwd, 'out.tap')], { encoding: 'utf8' });
  t.equal(counted.stdout, '2 3 1\n', 'the file for the TAP says the same');
  t.match(run('--without', 'dist/test/bad', '--without', 'dist/test/ends', '--without', 'dist/test/mute'), { status: 0, stdout: /1 passed, 0 failed/ });
  t.match(run('dist/test/none'), { status: 2, stderr: /no suite is called dist\/test\/none/ });
  t.end();
});

t.test('npm test puts small suites into one process, and others into one each', (t) => {
  const suite = `require(${JSON.stringify(require.resolve('tap'))}).pass('is kept by ' + process.pid);`;
  const cwd = t.testdir({ dist: { test: { cli: { 'guest.test.js': suite }, ext2: { 'guest.test.js': suite }, 'other.test.js': suite } } });
  const output = join(cwd, 'out.tap');
  const run = spawnSync(process.execPath, [join(SCRIPTS, 'test.mjs')], { cwd, encoding: 'utf8', env: { ...process.env, TAP_OUTPUT_FILE: output } });
  t.match(run, { status: 0, stdout: /\n3 passed, 0 failed/ }, run.stderr);
  const kept = readFileSync(output, 'utf8').match(/is kept by \d+/g) ?? [];
  t.equal(kept.length, 3);
  t.equal(new Set(kept).size, 2);
  t.end();
});

t.test('in one process, one suite after the other, each run by the first that claims it', (t) => {
  const suite = (body: string): string => `const t = require(${JSON.stringify(require.resolve('tap'))});\n${body}`;
  const cwd = t.testdir({
    claims: {},
    'good.test.js': suite("t.test('a promise', async (t) => { await null; t.pass('is kept by ' + process.pid); });"),
    'bad.test.js': suite("t.test('a promise', (t) => { t.fail('is broken'); t.end(); });"),
    'next.test.js': suite("t.test('a promise', (t) => { t.pass('is kept by ' + process.pid); t.end(); });"),
    'mute.test.js': '',
  });
  const run = (...names: string[]) =>
    spawnSync(process.execPath, [join(SCRIPTS, 'run-suites.cjs'), ...names.map((name) => `${name}.test.js`)], {
      cwd,
      encoding: 'utf8',
      env: { ...process.env, NODE_DAX_TEST_CLAIMS: 'claims' },
    });
  const first = run('good', 'next');
  t.match(first, { status: 0, stdout: /^TAP version 14\n[^]*\n# good\.test\.js \d+ s\n[^]*\n# next\.test\.js \d+ s\n1\.\.2\n/ }, first.stderr);
  t.equal(new Set(first.stdout.match(/is kept by \d+/g)).size, 1, 'one process');
  const second = run('good', 'bad', 'mute');
  t.equal(second.status, 1);
  t.notMatch(second.stdout, 'good');
  t.match(second.stdout, /not ok 1 - is broken/);
  t.match(second.stdout, /not ok 2 - mute\.test\.js has no test/);
  t.end();
});
