// The documents' examples run, print what they say, and name what exists.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cli } from './helpers/cli.js';
import { THOROUGH, sample } from './helpers/thorough.js';

const ROOT = join(__dirname, '..', '..');
const DOCUMENTS = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => join('docs', name))].filter((name) =>
  name.endsWith('.md'),
);
const text = (document: string) => readFileSync(join(ROOT, document), 'utf8');

function removeExamples(): void {
  for (const name of readdirSync('/dev/shm')) if (name.startsWith('example')) rmSync(join('/dev/shm', name));
}

t.test('examples run one after the other, and print what is written under them', (test) => {
  let examples = 0;
  // In the package, which knows itself by its name; and as if at its top.
  const program = join(test.testdir({ dist: test.fixture('symlink', join(ROOT, 'dist')) }), 'example.mjs');
  for (const document of sample(DOCUMENTS, 5)) {
    removeExamples();
    for (const [, code, output] of text(document).matchAll(/```js\n(.*?)```(?:\n\n```text\n(.*?)```)?/gs)) {
      writeFileSync(program, code ?? '');
      const { stdout, stderr, status } = spawnSync(process.execPath, [program], { cwd: ROOT, encoding: 'utf8' });
      examples++;
      test.strictSame({ status, stderr }, { status: 0, stderr: '' }, document);
      if (output !== undefined) test.equal(stdout, output, document);
    }
  }
  removeExamples();
  test.ok(examples > 0);
  test.end();
});

// They need a guest, or a device and a mount: what they do is tested where those are.
t.test('TypeScript programs compile', { skip: !THOROUGH && 'it takes as long as all else here: .ci/run does it' }, (test) => {
  const folder = test.testdir();
  const programs = DOCUMENTS.flatMap((document) => [...text(document).matchAll(/```ts\n(import .*?)```/gs)].map(([, code = '']) => ({ document, code })))
    // Its parts, joined, are docs/examples/tiny-fs.ts.
    .filter(({ document }) => document !== 'docs/write-a-filesystem.md');
  const files = programs.map(({ code }, index) => {
    const file = join(folder, `program-${index}.mts`);
    writeFileSync(file, code);
    return file;
  });
  const flags = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--lib', 'esnext', '--module', 'nodenext', '--types', 'node'];
  const { status, stdout } = spawnSync(process.execPath, [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), ...flags, ...files], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  test.ok(files.length > 0);
  test.strictSame({ status, stdout }, { status: 0, stdout: '' });
  test.end();
});

// docs/write-a-filesystem.md quotes docs/examples/tiny-fs.ts, which is compiled and run; ini is the job file that test/bench/job-file takes.
t.test('no code is a fragment that nothing runs or compiles', (test) => {
  for (const document of DOCUMENTS.filter((name) => name !== 'docs/write-a-filesystem.md')) {
    for (const [, language = '', line = ''] of text(document).matchAll(/^```([a-z]+)\n(.*)\n/gm)) {
      test.ok(['js', 'mjs', 'text', 'sh', 'yaml', 'ini'].includes(language) || (language === 'ts' && line.startsWith('import ')), `${document}: ${language}: ${line}`);
    }
  }
  test.end();
});

t.test('links lead to files', (test) => {
  for (const document of [...DOCUMENTS, 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md']) {
    for (const [, link = ''] of text(document).matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      test.ok(existsSync(join(ROOT, document, '..', link)), `${document}: ${link}`);
    }
  }
  test.end();
});

t.test('every command that is named exists', (test) => {
  const help = cli('--help');
  for (const document of DOCUMENTS) {
    for (const [, command = ''] of text(document).matchAll(/(?:npx |`|-- )node-dax ([a-z0-9]+)/g)) {
      test.match(help.stdout, new RegExp(`^  ${command} `, 'm'), `${document}: node-dax ${command}`);
    }
  }
  test.end();
});

t.test('every reason of an error has its line', (test) => {
  const source = readFileSync(join(ROOT, 'src', 'errors.ts'), 'utf8');
  const union = /DaxErrorReason =\n(.*?);/s.exec(source)?.[1] ?? '';
  const reasons = [...union.matchAll(/'([A-Z_]+)'/g)].map(([, reason = '']) => reason);
  const used = spawnSync('grep', ['-rhoE', "'[A-Z]+_[A-Z_]+'", join(ROOT, 'src'), join(ROOT, 'lib')], { encoding: 'utf8' }).stdout;
  test.ok(reasons.length > 10);
  for (const reason of reasons) {
    test.ok(text('docs/errors.md').includes(`\`${reason}\``), `docs/errors.md has ${reason}`);
    test.ok(used.split(`'${reason}'`).length > 2, `${reason} is used`);
  }
  test.end();
});
