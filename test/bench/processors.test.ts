// The processors that a trial runs on are those of --cpus_allowed, whatever program makes it.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DEFAULTS, type Job } from '../../lib/bench/jobs/job.js';
import { allowedProcessors, checkProcessors, listed } from '../../lib/bench/machine/processors.js';
import { makeTrial, type Contender } from '../../lib/bench/trials/contender.js';
import type { Target } from '../../lib/bench/drivers/driver.js';
import type { Trial } from '../../lib/bench/trials/figures.js';
import { MAIN } from '../helpers/cli.js';

const TARGET: Target = { path: '/dev/null', kind: 'file', granularity: 'page', isDax: false, isMade: false, folder: undefined, force: false };
const job = (cpus_allowed?: string): Job => ({ ...DEFAULTS, rw: 'read', bs: 4096, size: 4096, ...(cpus_allowed !== undefined && { cpus_allowed }) });

/** Where the program of a trial of `one` may run. */
async function processorsOf(one: Job): Promise<number[]> {
  let status = '';
  const contender: Contender = {
    key: 'cat',
    name: 'cat',
    depth: () => 1,
    done: () => ({ read: '', write: '' }),
    how: () => ({ read: '', write: '' }),
    obstacle: () => undefined,
    command: () => ({ program: 'cat', args: ['/proc/self/status'] }),
    parse: (output) => {
      status = output;
      return {} as Trial;
    },
  };
  await makeTrial(contender, one, TARGET);
  return allowedProcessors(status);
}

t.test('a trial runs on the processors of its job', async (test) => {
  const all = allowedProcessors(readFileSync('/proc/self/status', 'utf8'));
  test.strictSame(await processorsOf(job()), all, 'all of them without the option');
  for (const processor of [all.at(0), all.at(-1)]) test.strictSame(await processorsOf(job(`${processor}`)), [processor]);
});

t.test('lists of processors', (test) => {
  test.strictSame(listed('0-3,8'), [0, 1, 2, 3, 8]);
  test.strictSame(allowedProcessors('Name:\tx\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n'), [0, 1]);
  for (const list of ['9999', '0-9999', '1-0']) test.throws(() => { checkProcessors(job(list)); }, RangeError, list);
  test.doesNotThrow(() => { checkProcessors(job()); });
  test.end();
});

t.test('where there is no taskset, it is said once, before anything is made', (test) => {
  const path = join(test.testdir({ bin: {} }), 'new');
  const [processor = 0] = allowedProcessors(readFileSync('/proc/self/status', 'utf8'));
  const run = (...args: string[]) => spawnSync(process.execPath, [MAIN, 'bench', path, '--size', '1M', ...args], { encoding: 'utf8', env: { ...process.env, PATH: join(path, '..', 'bin') } });
  const { status, stdout, stderr } = run('--cpus_allowed', `${processor}`);
  test.strictSame({ status, stdout }, { status: 2, stdout: '' });
  test.match(stderr, /^error: --cpus_allowed needs the program taskset[^\n]*\n\(--help[^\n]*\n$/);
  test.notOk(existsSync(path));
  const unbound = run('--runtime', '20ms', '--ramp_time', '0', '--repeats', '1', '--rw', 'read', '--driver', 'fs');
  test.equal(unbound.status, 0, unbound.stderr);
  test.end();
});
