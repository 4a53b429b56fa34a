// What a process may not: serve every fault, or have as many mappings as a file has pieces. It is told so, and goes on.

import '../helpers/assert-locks.js';
import { spawnSync } from 'node:child_process';
import { chownSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { daxMmap, Inode, openSync, partition, PROT_READ, type GetBlock } from 'node-dax';
import { scratchPath } from '../helpers/devices.js';
import type { ModeReport } from '../helpers/fault-mode-main.js';
import { ON_HOST } from '../helpers/guest.js';
import { watch } from '../helpers/watchdog.js';

const PAGE = 4096;
const NOBODY = 65534;
const PROGRAM = join(__dirname, '..', 'helpers', 'fault-mode-main.js');

const SERVED = { loadHole: 0, storeHole: 9, stored: 9, own: [7, 7, 7], punched: 0, losses: [], writeWritten: PAGE, writePrefaulted: PAGE };
const EXPECTED: Record<string, object> = {
  full: { ...SERVED, writeHole: PAGE },
  // A system call is refused in plain words, and is not after `prefault`.
  user: { ...SERVED, writeHole: 'EFAULT' },
  // Everything was installed when it was mapped: a hole is zeros, and nobody is asked for a block.
  none: { ...SERVED, writeHole: PAGE, stored: 0, prefault: 'EIO', losses: ['EROFS at page 3'] },
};

function report(test: Test, variables: NodeJS.ProcessEnv, prefix: readonly string[] = []): ModeReport {
  const path = scratchPath(test, '/dev/shm');
  const target = scratchPath(test, '/dev/shm');
  for (const name of [path, target]) {
    openSync(name, { size: 64 * PAGE }).closeSync();
    if (prefix.length > 0) chownSync(name, NOBODY, NOBODY);
  }
  // Without the hooks of the test runner, which write where another user may not.
  const args = ['-u', 'NODE_OPTIONS', ...prefix, process.execPath, PROGRAM, path, target];
  const env = { ...process.env, NODE_NO_WARNINGS: '1', ...variables };
  const { status, signal, stdout, stderr } = spawnSync('env', args, { encoding: 'utf8', env });
  test.strictSame({ status, signal, stderr }, { status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout === '' ? '{}' : stdout) as ModeReport;
}

for (const mode of ['full', 'user', 'none']) {
  t.test(`faults in mode ${mode}`, (test) => {
    watch(test);
    const seen = report(test, mode === 'full' ? {} : { NODE_DAX_FAULTS: mode });
    // An unprivileged process has no more than it may.
    test.match(seen, { ...EXPECTED[mode === 'full' ? seen.mode : mode], ...(mode !== 'full' && { mode }) });
    test.end();
  });
}

function unprivileged(): { skip: string | false; prefix: readonly string[] } {
  if (process.getuid?.() !== 0) return { skip: false, prefix: [] };
  const rights = ['--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups'];
  const { status, error } = spawnSync('setpriv', [...rights, 'test', '-r', PROGRAM]);
  const reason = error === undefined ? 'another user may not read the checkout' : 'there is no setpriv (util-linux)';
  return { skip: status === 0 ? false : reason, prefix: ['setpriv', ...rights] };
}

const { skip, prefix } = unprivileged();
t.test('a process without privileges', { skip }, (test) => {
  watch(test);
  const seen = report(test, {}, prefix);
  test.comment(`mode ${seen.mode}`);
  test.match(seen, EXPECTED[seen.mode] ?? {});
  const sysctl = readFileSync('/proc/sys/vm/unprivileged_userfaultfd', 'latin1').trim();
  if (sysctl === '1') test.equal(seen.mode, 'full');
  test.end();
});

const PIECES = 100_000;

t.test(`a file in ${PIECES} pieces`, ON_HOST, (test) => {
  watch(test, 90);
  const path = scratchPath(test, '/dev/shm');
  // Sparse: no page of it is touched but those that are looked at.
  const device = openSync(path, { size: 2 * PIECES * PAGE });
  test.teardown(() => device.close());
  const inode = new Inode({ blockSize: PAGE, bdev: device }, 1, PIECES * PAGE);
  const getBlock: GetBlock = (_inode, iblock, bh) => {
    bh.map(device, 2 * iblock, PAGE);
  };
  const limit = Number(readFileSync('/proc/sys/vm/max_map_count', 'latin1'));
  if (limit < 2 * PIECES) {
    test.throws(() => daxMmap(inode, { prot: PROT_READ }, getBlock), {
      code: 'ENOMEM',
      reason: 'TOO_MANY_MAPPINGS',
      message: /vm\.max_map_count/,
    });
  } else daxMmap(inode, { prot: PROT_READ }, getBlock).unmap();
  device.writeSync(Buffer.of(5), 2 * 999 * PAGE);
  const part = daxMmap(inode, { length: 1000 * PAGE }, getBlock);
  test.equal(new Uint8Array(part.buffer)[999 * PAGE], 5, 'a part of it can be had, in the same process');
  part.unmap();
  test.end();
});

t.test('a partition that begins within a page', ON_HOST, (test) => {
  const device = openSync(scratchPath(test, '/dev/shm'), { size: 64 * PAGE });
  test.teardown(() => device.close());
  const bdev = partition(device, 63, 256);
  const inode = new Inode({ blockSize: PAGE, bdev }, 1, PAGE);
  // Bytes of addresses.
  const size = () => 1024 * Number(/VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]);
  const map = () => daxMmap(inode, {}, (_inode, iblock, bh) => { bh.map(bdev, iblock, PAGE); });
  const refusal = { code: 'EOPNOTSUPP', reason: 'OFFSET_UNALIGNED', message: /partition that does not begin at a multiple of 4096/ };
  test.throws(map, refusal);
  const before = size();
  for (let n = 0; n < 50; n++) test.throws(map, refusal);
  test.ok(size() < before + 50 * 1024 * 1024, 'no addresses are left behind');
  test.end();
});
