// `npm pack` and `npm publish` refuse a package that nobody could load, or whose addresses are not filled in.

import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { PREBUILT, ROOT, npm, run } from './consumer.js';

const PREBUILDS = ['x64', 'arm64'].flatMap((arch) => ['glibc', 'musl'].map((libc) => `prebuilds/linux-${arch}/node_dax.${libc}.node`));

// A checkout in which only these files were built.
function checkout(t: Test, built: readonly string[]): string {
  const folder = t.testdir({});
  for (const file of ['package.json', 'README.md', 'scripts/check-package.mjs']) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(ROOT, file), join(folder, file));
  }
  for (const file of built) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), '');
  }
  return folder;
}

function check(folder: string, ...args: string[]) {
  return run(process.execPath, [join(folder, 'scripts', 'check-package.mjs'), ...args], { cwd: folder });
}

t.test('npm pack refuses a checkout without a prebuilt addon, and one without dist/', (t) => {
  for (const { built, why } of [
    { built: ['dist/src/index.js'], why: /not packed: there is no prebuilt addon; `npm run prebuildify`/ },
    { built: [PREBUILT], why: /not packed: there is no dist\/; `npm run build`/ },
  ]) {
    const folder = checkout(t, built);
    const { status, stderr } = npm(['pack'], { cwd: folder });
    t.not(status, 0, 'exit status');
    t.match(stderr, why, 'the reason');
    t.strictSame(readdirSync(folder).filter((name) => name.endsWith('.tgz')), [], 'no tarball');
  }
  t.equal(check(checkout(t, ['dist/src/index.js', PREBUILT])).status, 0, 'with both it may be packed');
  t.end();
});

t.test('publishing needs all four addons, and addresses without the placeholder', (t) => {
  const one = check(checkout(t, ['dist/src/index.js', PREBUILT]), '--publish');
  t.equal(one.status, 1, 'one addon: exit status');
  for (const file of PREBUILDS) t.equal(one.stderr.includes(`no ${file}`), file !== PREBUILT, `tells whether ${file} is missing`);
  const folder = checkout(t, ['dist/src/index.js', ...PREBUILDS]);
  for (const file of ['package.json', 'README.md']) {
    t.match(check(folder, '--publish').stderr, `${file} has OWNER where the repository's owner belongs`, file);
    writeFileSync(join(folder, file), readFileSync(join(folder, file), 'utf8').replaceAll('OWNER', 'owner'));
  }
  t.equal(check(folder, '--publish').status, 0, 'with both filled in it may be published');
  t.end();
});
