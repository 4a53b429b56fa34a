// The installed package on Nodes newer than this one.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { ALL, PRINTED, isMusl, must, run, testWith, type Place } from './consumer.js';

const SCRIPTS = ['esm.mjs', 'cjs.cjs'];
const GLIBC = 'the registry has it for glibc';

export function otherNodes(t: Test, { folder, project, bare }: Place): void {
  const platform = `node-linux-${process.arch}`;
  for (const major of [22, 24, 26]) {
    if (isMusl() || !ALL) {
      t.pass(`the same addon on Node ${major}`, { skip: isMusl() ? GLIBC : 'NODE_DAX_TEST_PACKAGING=all fetches it' });
      continue;
    }
    testWith(t, `the same addon on Node ${major}`, `node-${major}`, [`${platform}@${major}`], (t, modules) => {
      const node = join(modules, platform, 'bin', 'node');
      t.match(must(node, ['--version'], bare), new RegExp(`^v${major}\\.`));
      for (const script of SCRIPTS) {
        const { status, stdout, stderr } = run(node, [script, join(folder, `${major}-${script}`)], bare);
        t.equal(status, 0, 'exit status', { stderr });
        t.equal(stdout, PRINTED, script);
      }
      if (major < 24) return;
      // This Node's own --permission is still called --experimental-permission; loading.test.ts has it.
      const allowed = ['--permission', '--allow-fs-read=*', '--allow-fs-write=*'];
      writeFileSync(join(project, 'reason.cjs'), REASON);
      t.equal(run(node, [...allowed, 'reason.cjs'], bare).stdout, 'ADDON_NOT_PERMITTED\n', 'without --allow-addons');
      t.equal(run(node, [...allowed, '--allow-addons', 'cjs.cjs', join(folder, `${major}-allowed`)], bare).stdout, PRINTED);
    });
  }
}

const REASON = `try { require('node-dax').openSync('/dev/null'); } catch (error) { console.log(error.reason); }\n`;
