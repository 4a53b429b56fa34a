// The package from git by npm, which compiles it.

import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { PRINTED, ROOT, headers, must, npm, run, type Place } from './consumer.js';

export function fromGit(t: Test, { folder, project, bare }: Place): void {
  t.test('installation from git by npm, which compiles', (t) => {
    const repository = join(folder, 'repository');
    const git = { cwd: repository };
    mkdirSync(repository);
    const list = must('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: ROOT });
    for (const file of list.split('\0').filter((name) => name !== '')) cpSync(join(ROOT, file), join(repository, file), { force: true });
    must('git', ['init', '--quiet'], git);
    must('git', ['add', '.'], git);
    must('git', ['-c', 'user.name=node-dax', '-c', 'user.email=node-dax@localhost', 'commit', '--quiet', '-m', 'all'], git);
    const home = join(folder, 'from-git');
    mkdirSync(home);
    writeFileSync(join(home, 'package.json'), JSON.stringify({ name: 'project', private: true }));
    cpSync(join(project, 'cjs.cjs'), join(home, 'cjs.cjs'));
    const installed = npm(['install', '--no-audit', '--no-fund', '--prefer-offline', `git+file://${repository}`], { cwd: home, env: headers() });
    t.equal(installed.status, 0, 'exit status', { stderr: installed.stderr });
    t.equal(run('node', ['cjs.cjs', join(home, 'file')], { ...bare, cwd: home }).stdout, PRINTED, 'works');
    t.end();
  });
}
