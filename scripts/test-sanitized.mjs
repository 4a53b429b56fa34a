// Runs the tests on an addon built with sanitizers: AddressSanitizer and UndefinedBehaviorSanitizer.
// Arguments are those of `npm test`: `npm run test:sanitized -- dist/test/device/`.

import { execFileSync, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function run(script, args, env) {
  const { status, error } = spawnSync(process.execPath, [join(root, script), ...args], { cwd: root, stdio: 'inherit', env });
  if (error) throw error;
  return status ?? 1;
}

// Node itself is not instrumented, so the runtimes have to be there before the addon asks for them.
const runtime = (name) => execFileSync(process.env.CXX ?? 'g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();

process.exitCode = run('scripts/build.mjs', ['--sanitize=address,undefined'], process.env);
if (process.exitCode === 0) {
  process.exitCode = run('scripts/test.mjs', ['--timeout=600', ...process.argv.slice(2)], {
    ...process.env,
    LD_PRELOAD: `${runtime('libasan.so')} ${runtime('libubsan.so')}`,
    // SIGBUS belongs to the addon. Node frees little of its own at its end, and every allocation of the addon has Node on its stack to be suppressed by.
    ASAN_OPTIONS: 'detect_leaks=0:handle_sigbus=0',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  });
}
