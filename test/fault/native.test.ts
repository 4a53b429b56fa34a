// The native parts that serve faults, tested without Node: the record of pages, and threads that fault during truncation, punching
// and freezing, with ThreadSanitizer too.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { IN_GUEST } from '../helpers/guest.js';
import { amount } from '../helpers/thorough.js';

function run(name: string, rounds: number): void {
  const program = join(__dirname, '..', '..', '..', 'build', 'Release', name);
  const skip = IN_GUEST ? 'the host runs it' : existsSync(program) ? false : 'an addon with other sanitizers was built';
  t.test(name, { skip }, (test) => {
    const seed = process.env['NODE_DAX_TEST_SEED'] ?? String(Date.now() % 100_000);
    test.comment(`NODE_DAX_TEST_SEED=${seed}`);
    const env = { ...process.env, TSAN_OPTIONS: 'halt_on_error=1' };
    const { status, signal, stdout, stderr } = spawnSync(program, [seed, String(rounds)], { encoding: 'utf8', env });
    test.strictSame({ status, signal, stderr }, { status: 0, signal: null, stderr: '' });
    test.match(stdout, /as an array has it|every page allocated once|skipped/);
    test.comment(stdout.trim());
    test.end();
  });
}

run('run_map_test', amount({ short: 50, thorough: 100, long: 300 }));
run('fault_test', amount({ short: 50, thorough: 100, long: 300 }));
run('fault_test_threads', amount({ short: 5, thorough: 10, long: 30 }));
