// Readers beside a writer: in threads and in processes, and when it overtakes them.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { openLog } from 'node-dax/log';
import { scratchPath } from '../helpers/devices.js';
import { contentOf } from '../helpers/log-crash.js';
import { amount, THOROUGH } from '../helpers/thorough.js';

t.setTimeout(3_600_000);

// How long readers read beside the writer.
const SECONDS = Number(process.env['NODE_DAX_TEST_SECONDS'] ?? amount({ short: 1, thorough: 4, long: 10 }));

const SIZE = 256 * 1024;
// Records that are written at least: the ring goes round.
const LEAST = 5000;
const CHILD = { TAP: '', NODE_OPTIONS: '' };

function freshLog(test: Test): string {
  const path = scratchPath(test, '/dev/shm');
  openLog(path, { create: true, size: SIZE }).close();
  return path;
}

// Longer than all others: the last record.
const END_LENGTH = 1000;

// Follows until it has seen the last record; counts what is wrong. One that was overtaken begins again at the head.
const FOLLOWER = `
  const { openLog } = require('node-dax/log');
  const { contentOf } = require(${JSON.stringify(join(__dirname, '..', 'helpers', 'log-crash.js'))});
  async function followToEnd(path, started) {
    const log = openLog(path, { readOnly: true });
    let wrong = 0, seen = 0, last = 0, overtaken = 0, from = log.head, isOver = false;
    started();
    while (!isOver) {
      try {
        for await (const { position, sequence, bytes } of log.follow(undefined, { from })) {
          if (sequence <= last) continue;
          isOver = bytes.length === ${END_LENGTH};
          if (Buffer.compare(bytes, contentOf(sequence, isOver ? ${END_LENGTH} : sequence % 700)) !== 0) wrong++;
          seen++;
          last = sequence;
          from = position;
          if (isOver) break;
        }
      } catch (error) {
        if (error.reason !== 'LOG_OVERTAKEN') throw error;
        overtaken++;
        from = log.head;
      }
    }
    log.close();
    return { wrong, seen, overtaken };
  }`;

t.test('readers in threads and processes never see half a record', async (test) => {
  const path = freshLog(test);
  const inThread = `${FOLLOWER}
    const { workerData, parentPort } = require('node:worker_threads');
    followToEnd(workerData.path, () => parentPort.postMessage('started')).then((found) => parentPort.postMessage(found));`;
  const inProcess = `${FOLLOWER}
    followToEnd(process.argv[1], () => process.send('started')).then((found) => process.send(found, () => process.exit()));`;
  const threads = Array.from({ length: THOROUGH ? 8 : 2 }, () => new Worker(inThread, { eval: true, workerData: { path } }));
  const processes = Array.from({ length: THOROUGH ? 4 : 1 }, () =>
    spawn(process.execPath, ['-e', inProcess, path], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, ...CHILD } }),
  );
  const readers = [...threads, ...processes];
  await Promise.all(readers.map((reader) => once(reader, 'message')));
  const answers = readers.map(async (reader) => (await once(reader, 'message')) as [{ wrong: number; seen: number; overtaken: number }]);
  const log = openLog(path);
  const positions: number[] = [];
  const append = (record: Uint8Array): void => {
    for (;;) {
      try {
        positions.push(log.append(record));
        return;
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'ENOSPC') throw error;
        log.truncateBefore(positions.splice(0, 100)[99] as number);
      }
    }
  };
  let sequence = 1;
  for (const stop = Date.now() + SECONDS * 1000; Date.now() < stop || sequence < LEAST; sequence++) append(contentOf(sequence, sequence % 700));
  append(contentOf(sequence, END_LENGTH));
  for (const [{ wrong, seen, overtaken }] of await Promise.all(answers)) {
    test.equal(wrong, 0, `${seen} of ${sequence} records, overtaken ${overtaken} times`);
    test.ok(seen > 0);
  }
  log.close();
});

t.test('a reader that is overtaken is told, and gets no foreign bytes', (test) => {
  const path = freshLog(test);
  const log = openLog(path);
  for (let sequence = 1; sequence <= 50; sequence++) log.append(contentOf(sequence, 3000));
  const reader = openLog(path, { readOnly: true });
  for (const copy of [true, false]) {
    const records = reader.records(undefined, { copy });
    records.next();
    log.truncateBefore([...log.entries()][30]?.position ?? 0);
    for (let i = 0; i < 30; i++) log.append(contentOf(log.info().nextSequence, 3000));
    test.throws(() => records.next(), { code: 'ESTALE', reason: 'LOG_OVERTAKEN' });
  }
  const caughtUp = reader.records();
  for (let result = caughtUp.next(); result.done !== true && result.value.position < log.tail; result = caughtUp.next());
  reader.close();
  log.close();
  test.end();
});

t.test('who follows is woken by this isolate, ends with its signal and with the log', async (test) => {
  const log = openLog(freshLog(test));
  const ending = new AbortController();
  const records = log.follow(ending.signal);
  const next = records.next();
  log.append(Buffer.from('a'));
  test.equal(Buffer.from(((await next).value as { bytes: Uint8Array }).bytes).toString(), 'a');
  const none = records.next();
  ending.abort();
  test.equal((await none).done, true);
  const others = log.follow();
  const last = others.next();
  log.close();
  test.equal((await last).done, true);
  test.throws(() => log.follow(), { code: 'EBADF' });
});
