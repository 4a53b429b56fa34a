// node-dax/vfs with the Node of the registry that has node:vfs: its suite, and the examples of its document.

import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ALL, isMusl, ROOT, run, temporaryFolder, testWith } from './consumer.js';

const MAJOR = 26;
const PLATFORM = `node-linux-${process.arch}`;

function examples(): [code: string, output: string][] {
  const text = readFileSync(join(ROOT, 'docs', 'vfs.md'), 'utf8');
  return [...text.matchAll(/```mjs\n(.*?)```\n\n```text\n(.*?)```/gs)].map(([, code = '', output = '']) => [code, output]);
}

if (isMusl() || !ALL) {
  t.pass('node:vfs', { skip: isMusl() ? 'the registry has it for glibc' : 'NODE_DAX_TEST_PACKAGING=all fetches Node 26, which has it' });
} else {
  testWith(t, 'node:vfs', `node-${MAJOR}`, [`${PLATFORM}@${MAJOR}`], (t, modules) => {
    const node = join(modules, PLATFORM, 'bin', 'node');
    const suite = join(ROOT, 'dist', 'test', 'vfs', 'provider.test.js');
    void t.spawn(node, ['--experimental-vfs', suite], {}, 'the provider');
    void t.test('the examples of the document', (t) => {
      const project = temporaryFolder(t, 'vfs-examples');
      mkdirSync(join(project, 'node_modules'));
      symlinkSync(ROOT, join(project, 'node_modules', 'node-dax'));
      const found = examples();
      t.ok(found.length > 0);
      for (const [code, output] of found) {
        writeFileSync(join(project, 'example.mjs'), code);
        const { status, stdout, stderr } = run(node, ['--experimental-vfs', 'example.mjs'], { cwd: project });
        t.strictSame({ status, stdout }, { status: 0, stdout: output }, 'prints what is written under it', { stderr });
      }
      for (const name of readdirSync('/dev/shm')) if (name.startsWith('example-vfs')) rmSync(join('/dev/shm', name));
      t.end();
    });
  });
}
