// The init of a guest, as far as its shell can be judged without one.

import t from 'tap';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../../lib/vm/host/programs.js';
import { HOME } from '../../lib/vm/init/guest-paths.js';
import { RUN_COMMAND } from '../../lib/vm/init/stages.js';

const busybox = findProgram('busybox');

t.test('a process that ends while the outputs are opened keeps no command from its start', { skip: busybox === undefined && 'no static busybox' }, (t) => {
  const folder = t.testdir({ command: 'echo said; echo complained >&2; exit 7\n' });
  // The child ends when the shell sleeps, which it does in the opening of the output. Only then does the other end come.
  writeFileSync(join(folder, 'init'), `
    session= stdin=/dev/null stdout=${folder}/stdout stderr=/dev/null
    mkfifo $stdout
    until grep -q '^State:.S' /proc/$$/status; do usleep 1000; done &
    child=$!
    { while kill -0 $child 2>/dev/null && ! grep -q '^State:.Z' /proc/$child/status; do usleep 1000; done; cat $stdout; } &
    carrier=$!
    ${RUN_COMMAND.replaceAll(HOME, folder)}
    status=$?
    [ $status = 7 ] || kill $carrier
    wait
    exit $status`);
  const { status, stdout, stderr } = spawnSync(busybox ?? '', ['sh', join(folder, 'init')], { encoding: 'utf8', timeout: 60_000 });
  t.equal(status, 7, stderr);
  t.equal(stdout, 'said\n');
  t.end();
});
