// README's section "Install", in a Debian that has nothing but Node: runs its lines with the package managers, and checks that the
// section contains what this and the other suites try.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { ALL, ROOT, isMusl, pack, temporaryFolder } from './consumer.js';

function missing(): string | undefined {
  if (!ALL) return 'NODE_DAX_TEST_PACKAGING=all makes a Debian for them';
  if (isMusl()) return 'Debian has glibc';
  if (process.getuid?.() !== 0) return 'needs root, who makes a Debian';
  const { error } = spawnSync('debootstrap', ['--version']);
  return error === undefined || process.env['CI'] === 'true' ? undefined : 'needs debootstrap';
}

t.setTimeout(1_200_000);
const reason = missing();
if (reason !== undefined) t.pass('the lines of the section "Install"', { skip: reason });
else {
  const tarball = pack(temporaryFolder(t, 'install'), false);
  void t.spawn(process.execPath, [join(ROOT, 'scripts', 'try-install.mjs'), '--short', tarball.path], {}, 'the lines of the section "Install"');
}
