// A writer of a log that is killed, again and again, while a reader follows: nothing that it acknowledged is lost.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openSync, partition, type BlockDevice, type OpenOptions } from 'node-dax';
import { openLog } from 'node-dax/log';
import { onDevices, type TestDevice } from '../helpers/devices.js';
import { contentOf } from '../helpers/log-crash.js';
import { amount } from '../helpers/thorough.js';

const KILLS = Number(process.env['NODE_DAX_TEST_ROUNDS'] ?? amount({ short: 2, thorough: 12, long: 1000 }));
t.setTimeout(KILLS * 300_000);
// Small, so the ring goes round.
const SECTORS = 512;
const WRITER = join(__dirname, '..', 'helpers', 'log-writer-main.js');
const DEVICES = ['a tmpfs file', 'a file on ext4 -o dax', 'devdax of 4 KiB'];

const isRight = (sequence: number, bytes: Uint8Array): boolean => Buffer.compare(bytes, contentOf(sequence, sequence % 700)) === 0;

// Runs a writer until it is killed, some milliseconds after its first record. Returns the sequence that it acknowledged last.
async function killWriter(path: string, milliseconds: number): Promise<number> {
  const child = { TAP: '', NODE_OPTIONS: '' };
  const writer = spawn(process.execPath, [WRITER, path, `${SECTORS}`], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...child } });
  const said: Buffer[] = [];
  writer.stdout.on('data', (chunk: Buffer) => said.push(chunk));
  const closed = once(writer, 'close');
  await once(writer.stdout, 'data');
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  writer.kill('SIGKILL');
  await closed;
  return Number(Buffer.concat(said).toString().split('\n').at(-2));
}

// What is wrong with a log of which so much was acknowledged; undefined if nothing is.
function faultOf(device: BlockDevice, acknowledged: number): string | undefined {
  const log = openLog(device);
  const { nextSequence } = log.info();
  if (nextSequence <= acknowledged || nextSequence > acknowledged + 2) return `${acknowledged} was acknowledged, and ${nextSequence} is next`;
  let last = 0;
  for (const { sequence, bytes } of log.records()) {
    if (!isRight(sequence, bytes)) return `record ${sequence} is not what was appended`;
    last = sequence;
  }
  log.close();
  return last === nextSequence - 1 ? undefined : `record ${last} is the last, and ${nextSequence} is next`;
}

async function run(test: Test, wanted: TestDevice): Promise<void> {
  // The lock of one that is kept open would keep the writer out.
  const withDevice = <Result>(options: OpenOptions, use: (device: BlockDevice) => Result): Result => {
    const device = openSync(wanted.path, { ...wanted.needed, ...options });
    try {
      return use(partition(device, 0, SECTORS));
    } finally {
      device.closeSync();
    }
  };
  withDevice({}, (device) => { openLog(device, { create: true, force: true }).close(); });
  const reader = openLog(partition(wanted.open({ readOnly: true }), 0, SECTORS), { readOnly: true });
  const ending = new AbortController();
  let seen = 0;
  let wrong = 0;
  const following = (async () => {
    for (;;) {
      try {
        for await (const { sequence, bytes } of reader.follow(ending.signal, { from: reader.head })) {
          if (!isRight(sequence, bytes)) wrong++;
          seen = Math.max(seen, sequence);
        }
        return;
      } catch (error) {
        if ((error as { reason?: unknown }).reason !== 'LOG_OVERTAKEN') throw error;
      }
    }
  })();
  let fault: string | undefined;
  let acknowledged = 0;
  for (let round = 0; round < KILLS && fault === undefined; round++) {
    acknowledged = await killWriter(wanted.path, round % 20);
    const last = acknowledged;
    fault = withDevice({}, (device) => faultOf(device, last));
  }
  ending.abort();
  await following;
  test.equal(fault, undefined, `${KILLS} kills, ${acknowledged} records`);
  test.equal(wrong, 0, 'a reader that follows gets no foreign bytes');
  test.ok(seen > 0, `the reader has seen ${seen}`);
  withDevice({}, (device) => device.zeroSync(0, 8192));
}

onDevices('a writer that is killed has left every record that it acknowledged, while a reader follows', DEVICES, run);
