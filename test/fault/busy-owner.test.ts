// An owner that blocks while another thread waits for its answer to a fault: people are told before the program is.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { openSync } from 'node-dax';
import type { BusyOwnerLine } from '../helpers/busy-owner-main.js';
import { scratchPath } from '../helpers/devices.js';

const PAGE = 4096;

interface BusyOwner {
  /** The lines of its standard error. */
  told: AsyncIterator<string, undefined>;
  printed: AsyncIterator<string, undefined>;
  /** Lets the owner go on. */
  goOn: () => void;
  ended: Promise<unknown[]>;
}

function start(test: Test): BusyOwner {
  const path = scratchPath(test, '/dev/shm');
  openSync(path, { size: 1024 * 1024 }).closeSync();
  const child = spawn(process.execPath, [join(__dirname, '..', 'helpers', 'busy-owner-main.js'), path], {
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
  });
  test.teardown(() => child.kill('SIGKILL'));
  const linesOf = (input: NodeJS.ReadableStream) => createInterface({ input })[Symbol.asyncIterator]() as AsyncIterator<string, undefined>;
  return {
    told: linesOf(child.stderr),
    printed: linesOf(child.stdout),
    goOn: () => {
      child.stdin.end();
    },
    ended: once(child, 'close'),
  };
}

async function next(lines: AsyncIterator<string, undefined>): Promise<BusyOwnerLine | undefined> {
  const { value } = await lines.next();
  return value === undefined ? undefined : (JSON.parse(value) as BusyOwnerLine);
}

const LINE = /^node-dax: worker \d+ \(thread \d+\) has waited \d+ s for the main thread \(thread \d+\) to answer a page fault .* ETIMEDOUT \(OWNER_BUSY\) after 60 s\.$/;

t.test('a line tells which thread waits for which, and the fault goes on with the owner', async (test) => {
  const { told, printed, goOn, ended } = start(test);
  test.match((await told.next()).value, LINE);
  goOn();
  test.strictSame(await next(printed), { found: 7 });
  test.strictSame(await ended, [0, null]);
  test.equal((await told.next()).done, true, 'one line');
});

// `npm run test:long` asks for it: it takes a minute.
const minute = process.env['NODE_DAX_TEST_MINUTE'] === '1' ? {} : { skip: 'NODE_DAX_TEST_MINUTE=1' };

t.test('after a minute the fault is refused', { ...minute, timeout: 300_000 }, async (test) => {
  const { told, printed, goOn, ended } = start(test);
  test.match((await told.next()).value, LINE);
  test.strictSame(await next(printed), { lost: { code: 'ETIMEDOUT', reason: 'OWNER_BUSY', position: PAGE } });
  goOn();
  test.strictSame(await next(printed), { found: 0 }, 'what was stored is not in the file');
  test.strictSame(await ended, [0, null]);
  test.equal((await told.next()).done, true, 'one line');
});
