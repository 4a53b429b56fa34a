// Commands that SIGKILL ends at random moments leave what a power cut leaves where every store is durable: see docs/ext2.md.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, copyFileSync, mkdirSync, openSync as openFile, readFileSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openSync } from 'node-dax';
import { check, mkfsSync, mount } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { ext2Here, MAIN } from '../helpers/cli.js';
import { scratchPath } from '../helpers/devices.js';
import { E2fsckJudge, e2fsckMissing } from '../helpers/e2fsck.js';
import { checkImage, makeImage } from '../helpers/ext2-command.js';
import { seeded, type Random } from '../helpers/random.js';
import { amount } from '../helpers/thorough.js';

const MIB = 1024 ** 2;
const ROUNDS = amount({ short: 2, thorough: 5, long: 12 });
const DIRECTORIES = 8;
const FILES = 40;
const MAGIC_POS = 1024 + 56;
const MAGIC = 0xef53;
const STATE_POS = 1024 + 58;
const missing = e2fsckMissing() ?? false;

function contentOf(directory: number, file: number): Buffer {
  return Buffer.alloc(1 + (((directory * FILES + file) * 7919) % 9000), `${directory} ${file} `);
}

function makeTree(test: Test): string {
  const tree = join(test.testdir({}), 'tree');
  for (let d = 0; d < DIRECTORIES; d++) {
    mkdirSync(join(tree, `d${d}`), { recursive: true });
    for (let f = 0; f < FILES; f++) writeFileSync(join(tree, `d${d}`, `f${f}`), contentOf(d, f));
  }
  return tree;
}

function wordAt(image: string, pos: number): number {
  const fd = openFile(image, 'r');
  const bytes = Buffer.alloc(2);
  readSync(fd, bytes, 0, 2, pos);
  closeSync(fd);
  return bytes.readUInt16LE();
}

// Mounting for changes clears the state, and making a filesystem the magic.
const isMounted = (image: string) => wordAt(image, STATE_POS) === 0;
const isWiped = (image: string) => wordAt(image, MAGIC_POS) !== MAGIC;

/** Runs a command, and returns how many milliseconds it took from its first change of the image on. Kills it after `patience` of them. */
async function run(image: string, hasBegun: (image: string) => boolean, args: readonly string[], patience = Infinity): Promise<number> {
  const child = spawn(process.execPath, [MAIN, 'ext2', ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  const closed = once(child, 'close');
  while (!hasBegun(image) && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1));
  const begun = performance.now();
  const timer = patience === Infinity ? undefined : setTimeout(() => child.kill('SIGKILL'), patience);
  await closed;
  clearTimeout(timer);
  return performance.now() - begun;
}

/** Kills a command as often as `ROUNDS`, each time on a new image, at moments spread over the time that it takes. */
async function killAtRandom(
  random: Random,
  make: () => string,
  hasBegun: (image: string) => boolean,
  argsFor: (image: string) => readonly string[],
  judge: (image: string, round: string) => Promise<void> | void,
): Promise<void> {
  const whole = make();
  const span = await run(whole, hasBegun, argsFor(whole));
  for (let round = 0; round < ROUNDS; round++) {
    const image = make();
    const patience = (random.below(1000) / 1000) * span;
    await run(image, hasBegun, argsFor(image), patience);
    await judge(image, `killed after ${patience.toFixed(1)} of ${span.toFixed(1)} ms`);
  }
}

/** Has check and e2fsck judge what a power cut may leave, and mounts the image, which frees what is lost. */
async function judgeAndReclaim(test: Test, judge: E2fsckJudge, image: string, round: string): Promise<void> {
  await judge.add(readFileSync(image), round);
  using device = openSync(image);
  const { isSound, findings } = check(device);
  test.ok(isSound, `${round}: ${JSON.stringify(findings.filter(({ class: kind }) => kind === 'error'))}`);
  mount(device, { reclaim: true, onWarning: () => undefined }).unmount();
  test.strictSame(check(device).findings, [], `${round}: nothing is left after reclaim`);
}

t.test('put that is killed leaves whole files, and at most one that is not', { skip: missing, timeout: 600_000 }, async (test) => {
  const random = seeded(test);
  const tree = makeTree(test);
  const judge = new E2fsckJudge();
  await killAtRandom(random, () => makeImage(test, [], 8 * MIB), isMounted, (image) => ['put', '-r', image, tree, '/'], async (image, round) => {
    await judgeAndReclaim(test, judge, image, round);
    using device = openSync(image, { readOnly: true });
    using mounted = mount(device, { readOnly: true });
    const fs = createFs(mounted);
    let partial = 0;
    for (const path of fs.readdirSync('/', { recursive: true }) as string[]) {
      const [, directory, file] = /^tree\/d(\d+)\/f(\d+)$/.exec(path) ?? [];
      if (directory === undefined || file === undefined) continue;
      const content = fs.readFileSync(`/${path}`);
      const whole = contentOf(Number(directory), Number(file));
      test.ok(whole.subarray(0, content.byteLength).equals(content), `${round}: ${path} has ${content.byteLength} of its bytes`);
      if (content.byteLength < whole.byteLength) partial++;
    }
    test.ok(partial <= 1, `${round}: ${partial} files are not whole`);
  });
  await judge.finish();
  test.strictSame(judge.breaches.map(({ label, breaches }) => ({ label, breaches })), []);
});

t.test('rm -r that is killed removes some files, and harms none', { skip: missing, timeout: 600_000 }, async (test) => {
  const random = seeded(test);
  const full = makeImage(test, [], 8 * MIB);
  await ext2Here('put', '-r', full, makeTree(test), '/');
  const judge = new E2fsckJudge();
  const make = () => {
    const image = scratchPath(test, '/dev/shm');
    copyFileSync(full, image);
    return image;
  };
  await killAtRandom(random, make, isMounted, (image) => ['rm', '-r', image, '/tree'], async (image, round) => {
    await judgeAndReclaim(test, judge, image, round);
    using device = openSync(image, { readOnly: true });
    using mounted = mount(device, { readOnly: true });
    const fs = createFs(mounted);
    for (const path of fs.readdirSync('/', { recursive: true }) as string[]) {
      const [, directory, file] = /^tree\/d(\d+)\/f(\d+)$/.exec(path) ?? [];
      if (directory === undefined || file === undefined) continue;
      test.ok(fs.readFileSync(`/${path}`).equals(contentOf(Number(directory), Number(file))), `${round}: ${path} is whole`);
    }
  });
  await judge.finish();
  test.strictSame(judge.breaches.map(({ label, breaches }) => ({ label, breaches })), []);
});

t.test('mkfs that is killed leaves no filesystem, or the whole new one', { skip: missing, timeout: 600_000 }, async (test) => {
  const make = () => {
    const image = scratchPath(test, '/dev/shm');
    using device = openSync(image, { size: 64 * MIB });
    mkfsSync(device, { blockSize: 1024, label: 'old' });
    return image;
  };
  const args = (image: string) => ['mkfs', '--force', '-b', '1024', '-L', 'new', image];
  await killAtRandom(seeded(test), make, isWiped, args, (image, round) => {
    using device = openSync(image);
    if (isWiped(image)) {
      test.throws(() => check(device), { code: 'EINVAL' }, `${round}: no filesystem`);
      mkfsSync(device, { force: true });
    } else {
      using mounted = mount(device, { readOnly: true });
      test.match(Buffer.from(mounted.superblock.s_volume_name).toString(), /^new\0/, `${round}: the new filesystem`);
    }
    checkImage(test, image);
  });
});
