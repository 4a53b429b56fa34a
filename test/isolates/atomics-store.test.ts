// `Atomics.store` on a BigUint64Array over a device's memory is one store, in the interpreter and in code compiled by V8: another
// thread finds the old word or the new one. With two stores of 32 bits, the test does find a mixed word.

import { spawnSync } from 'node:child_process';
import t from 'tap';
import { openSync } from 'node-dax';
import { scratchPath } from '../helpers/devices.js';

// Stores all zeros and all ones in turn until the reader, a thread that has opened the device itself, has loaded each often enough
// or, if words are meant to be torn, has loaded another value.
const PROGRAM = `
  const { Worker } = require('node:worker_threads');
  const { openSync } = require('node-dax');
  const [path, how, tier] = process.argv.slice(1);
  const ONES = 2n ** 64n - 1n;
  const isOver = new Int32Array(new SharedArrayBuffer(4));
  const device = openSync(path);
  const { buffer, byteOffset } = device.view(0, 64);
  const words = new BigUint64Array(buffer, byteOffset, 8);
  const halves = new Uint32Array(buffer, byteOffset, 16);
  const writers = {
    'Atomics.store': () => {
      for (let i = 0; i < 500; i++) {
        Atomics.store(words, 1, ONES);
        Atomics.store(words, 1, 0n);
      }
    },
    'two stores': () => {
      for (let i = 0; i < 500; i++) {
        halves[2] = 0xffffffff;
        halves[3] = 0xffffffff;
        halves[2] = 0;
        halves[3] = 0;
      }
    },
  };
  const write = writers[how];
  if (tier === 'optimized') {
    %PrepareFunctionForOptimization(write);
    write();
    write();
    %OptimizeFunctionOnNextCall(write);
  }
  write();
  const reader = new Worker(\`
    const { parentPort, workerData: { path, isTorn, isOver } } = require('node:worker_threads');
    const { buffer, byteOffset } = require('node-dax').openSync(path).view(0, 64);
    const words = new BigUint64Array(buffer, byteOffset, 8);
    let [zeros, ones, torn] = [0, 0, 0];
    parentPort.postMessage('started');
    while (isTorn ? torn === 0 : Math.min(zeros, ones) < 20000) {
      const word = Atomics.load(words, 1);
      if (word === 0n) zeros++;
      else if (word === 2n ** 64n - 1n) ones++;
      else torn++;
    }
    Atomics.store(isOver, 0, 1);
    parentPort.postMessage(torn);
  \`, { eval: true, workerData: { path, isTorn: how === 'two stores', isOver } });
  reader.once('message', () => {
    while (Atomics.load(isOver, 0) === 0) write();
    const isOfTier = { interpreted: %ActiveTierIsIgnition(write), baseline: %ActiveTierIsSparkplug(write), optimized: %ActiveTierIsTurbofan(write) }[tier];
    reader.once('message', (torn) => console.log(JSON.stringify({ torn, isOfTier })));
  });`;

t.setTimeout(3_600_000);

const TIERS: Readonly<Record<string, readonly string[]>> = {
  interpreted: ['--no-opt', '--no-sparkplug', '--no-maglev'],
  baseline: ['--no-opt', '--always-sparkplug', '--no-maglev'],
  optimized: ['--no-maglev'],
};

for (const [tier, flags] of Object.entries(TIERS)) {
  t.test(`a word that is stored by ${tier} code`, (test) => {
    const path = scratchPath(test);
    openSync(path, { size: 4096 }).closeSync();
    for (const how of ['Atomics.store', 'two stores']) {
      const args = ['--allow-natives-syntax', ...flags, '-e', PROGRAM, path, how, tier];
      const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, TAP: '', NODE_OPTIONS: '' } });
      const found = JSON.parse(stdout === '' ? '{}' : stdout) as { torn: number };
      if (how === 'Atomics.store') test.strictSame(found, { torn: 0, isOfTier: true }, 'is never torn', { stderr });
      else test.strictSame({ ...found, torn: found.torn > 0 }, { torn: true, isOfTier: true }, 'which two stores tear', { stderr });
    }
    test.end();
  });
}
