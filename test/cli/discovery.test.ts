// Owns the tests of the commands `list` and `doctor`: exit status, streams and JSON.

import t from 'tap';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { list } from '../../src/index.js';
import { cli } from '../helpers/cli.js';

// In a thorough run, the first of each command is a process.
t.setTimeout(300_000);

t.test('list', (t) => {
  const { status, stdout, stderr } = cli('list');
  t.equal(status, 0);
  if (list().length === 0) {
    t.equal(stdout, '');
    t.match(stderr, /has no devdax.*node-dax vm -- COMMAND.*memmap=/s);
  } else {
    t.match(stdout, /^KIND +PATH +SIZE/);
    t.equal(stderr, '');
  }
  const json = cli('list', '--json');
  t.equal(json.status, 0);
  t.equal((JSON.parse(json.stdout) as unknown[]).length, list().length);
  t.equal(json.stderr, '');
  t.end();
});

t.test('doctor', (t) => {
  const dir = t.testdir({ file: 'text' });
  const words = cli('doctor', `${dir}/file`);
  t.equal(words.status, 0);
  t.match(words.stdout, /\/file: file, not DAX, granularity page\n\n {2}.*EVIDENCE +VALUE +MEANING\n/s);
  t.ok(
    words.stdout
      .split('\n')
      .slice(0, 3)
      .every((line) => line.length <= 120),
  );
  const json = JSON.parse(cli('doctor', '--json', `${dir}/file`).stdout) as Record<string, unknown>;
  t.match(json, {
    path: `${dir}/file`,
    kind: 'file',
    is_dax: false,
    granularity: 'page',
    verdict: String,
    evidence: Array,
  });
  t.end();
});

t.test('the row about page faults of mappings is for who asks', (t) => {
  const dir = t.testdir({ file: 'text' });
  const sources = (...args: string[]) => {
    const { evidence } = JSON.parse(cli('doctor', '--json', `${dir}/file`, ...args).stdout) as { evidence: { source: string }[] };
    return evidence.filter(({ source }) => source === '/proc/sys/vm/unprivileged_userfaultfd').length;
  };
  t.equal(sources(), 0);
  t.equal(sources('--mappings'), 1);
  t.end();
});

t.test('an error as JSON', (t) => {
  const { status, stdout, stderr } = cli('doctor', '--json', '/nowhere');
  t.strictSame({ status, stderr }, { status: 1, stderr: '' });
  t.match(JSON.parse(stdout), {
    path: '/nowhere',
    error: { code: 'ENOENT', errno: -2, syscall: 'doctor', hint: /node-dax list/, message: /^ENOENT: .*\/nowhere/ },
  });
  t.end();
});

t.test('failure and wrong usage', (t) => {
  const absent = cli('doctor', '/nowhere');
  t.equal(absent.status, 1);
  t.match(absent.stderr, /^node-dax: ENOENT.*\/nowhere/);
  t.equal(absent.stdout, '');
  t.equal(cli('doctor').status, 2);
  t.equal(cli('doctor', '--wrong', '/').status, 2);
  t.equal(cli('list', 'surplus').status, 2);
  t.equal(cli('list', '--help').status, 0);
  const { version } = JSON.parse(readFileSync(resolve(__dirname, '../../../package.json'), 'utf8')) as { version: string };
  t.match(cli('--version'), { status: 0, stdout: `${version}\n` });
  t.end();
});
