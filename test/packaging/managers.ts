// The tarball installed by package managers other than npm, with no compiler, and from git by npm.

import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { PRINTED, ROOT, headers, must, npm, run, testWith, type Place } from './consumer.js';

interface Manager {
  name: string;
  /** In the registry. */
  package: string;
  /** Relative to node_modules. */
  program: string;
  /** Before the tarball's path. */
  add: readonly string[];
  prefix?: string;
  /** yarn 4 keeps packages in archives, which Node reads by its help. */
  through?: readonly string[];
}

const MANAGERS: readonly Manager[] = [
  { name: 'pnpm', package: 'pnpm@12', program: 'pnpm/bin/pnpm.mjs', add: ['add'] },
  { name: 'yarn 1', package: 'yarn@1', program: 'yarn/bin/yarn.js', add: ['add'] },
  { name: 'yarn 4', package: '@yarnpkg/cli-dist@4', program: '@yarnpkg/cli-dist/bin/yarn.js', add: ['add'], prefix: 'node-dax@file:', through: ['node'] },
];

export function managers(t: Test, { folder, project, tarball, bare }: Place): void {
  for (const manager of MANAGERS) {
    const short = manager.name.replace(' ', '-');
    testWith(t, `installation by ${manager.name}, without a compiler`, short, [manager.package], (t, modules) => {
      const home = join(folder, short);
      mkdirSync(home);
      writeFileSync(join(home, 'package.json'), JSON.stringify({ name: 'project', private: true }));
      // Without it, yarn 4 takes a folder for a part of a larger project.
      if (manager.name === 'yarn 4') writeFileSync(join(home, 'yarn.lock'), '');
      cpSync(join(project, 'cjs.cjs'), join(home, 'cjs.cjs'));
      const settings = { ...bare, cwd: home, env: { YARN_ENABLE_TELEMETRY: '0', CI: '' } };
      const program = join(modules, manager.program);
      const added = run('node', [program, ...manager.add, `${manager.prefix ?? ''}${tarball.path}`], settings);
      t.equal(added.status, 0, 'exit status', { stdout: added.stdout, stderr: added.stderr });
      t.notMatch(added.stdout + added.stderr, /gyp|node-dax.*(?:built|scripts)/i, 'nothing is compiled or left to be');
      const used = run('node', [...(manager.through === undefined ? [] : [program, ...manager.through]), 'cjs.cjs', join(home, 'file')], settings);
      t.equal(used.stdout, PRINTED, 'works', { stderr: used.stderr });
    });
  }

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
