// Uses that ask for trouble: views as buffers of other devices, overlaps, pages lost and files that cannot grow.

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import t, { type Test } from 'tap';
import { openSync } from 'node-dax';
import { onEveryKind, scratchPath } from '../helpers/devices.js';
import { ON_HOST } from '../helpers/guest.js';

const MIB = 1024 * 1024;

onEveryKind('a view as the buffer of a copy of another device, closed meanwhile:', async (test, wanted) => {
  if (wanted.kind === 'block' || wanted.kind === 'devdax') {
    // Two opens of the device itself: the buffer and the device are the same bytes.
    const twin = wanted.open();
    const reading = wanted.open().read(twin.view(0, 4 * MIB), 0);
    twin.closeSync();
    await movedOrRefused(test, [reading]);
    return;
  }
  for (const close of ['close', 'closeSync'] as const) {
    const device = wanted.open();
    const other = openSync(scratchPath(test, '/dev/shm'), { size: 4 * MIB });
    const copies = [device.read(other.view(), 0), device.write(other.view(), 0), device.writev([other.view()], 0)];
    await other[close]();
    await movedOrRefused(test, copies);
  }
});

// Which of the two depends on whether the thread that copies was sooner than the close: what it never reached is not counted.
async function movedOrRefused(test: Test, copies: Promise<number>[]): Promise<void> {
  for (const copy of await Promise.allSettled(copies)) {
    if (copy.status === 'fulfilled') test.ok(copy.value > 0);
    else if (!(copy.reason instanceof TypeError)) test.match(copy.reason, { code: 'EFAULT', reason: 'USER_MEMORY' });
  }
}

t.test('a view that Node still works on, closed meanwhile', ON_HOST, async (test) => {
  const device = openSync(scratchPath(test, '/dev/shm'), { size: 16 * MIB });
  const deflating = promisify(deflate)(device.view());
  device.closeSync();
  const next = openSync(scratchPath(test, '/dev/shm'), { size: 16 * MIB });
  test.ok((await deflating).length > 0);
  test.equal(next.view().every((byte) => byte === 0), true, 'the next device is not where the last one was');
  await next.close();
});

t.test('writing a view of the device to the device', ON_HOST, (test) => {
  const program = `
    const { openSync } = require('node-dax');
    const device = openSync(process.argv[1], { size: 1 << 20 });
    for (const length of [100, 600, 4096, 500_000]) {
      for (const shift of [1, 64, 100]) {
        const model = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 31) % 251));
        device.writeSync(model, 0);
        device.writeSync(device.view(0, length), shift);
        model.copyWithin(shift, 0, length);
        if (!model.equals(device.view())) console.log(length, shift);
        device.readSync(device.view(0, length), shift);
        model.copyWithin(0, shift, shift + length);
        if (!model.equals(device.view())) console.log('read', length, shift);
      }
    }`;
  for (const granularity of ['cache_line', 'page']) {
    const env = { ...process.env, NODE_DAX_FORCE_GRANULARITY: granularity, NODE_NO_WARNINGS: '1' };
    const { stdout, status } = spawnSync(process.execPath, ['-e', program, scratchPath(test)], { env, encoding: 'utf8' });
    test.strictSame({ stdout, status }, { stdout: '', status: 0 }, granularity);
  }
  test.end();
});

t.test('a buffer of a vector that is transferred meanwhile', ON_HOST, async (test) => {
  const device = openSync(scratchPath(test, '/dev/shm'), { size: 4 * MIB });
  const parts = [Buffer.alloc(2 * MIB, 1), new Uint8Array(MIB).fill(2), Buffer.alloc(MIB, 3)] as const;
  const writing = device.writev(parts, 0);
  structuredClone(parts[1].buffer, { transfer: [parts[1].buffer] });
  const moved = await writing;
  test.ok(moved === 2 * MIB || moved === 4 * MIB);
  test.not(device.view(2 * MIB, 1)[0], 3, 'the next buffer does not take its place');
  await device.close();
});

t.test('a device with lost pages keeps its size', ON_HOST, (test) => {
  const path = scratchPath(test, '/dev/shm');
  const device = openSync(path, { size: 8192 });
  const view = device.view();
  execFileSync('truncate', ['-s', '4096', path]);
  view[5000] = 5;
  test.throws(() => {
    device.truncateSync(16384);
  }, { code: 'EIO', reason: 'MEDIA_ERROR' });
  test.throws(() => {
    device.persist(4096, 1);
  }, { code: 'EIO' });
  test.equal(device.size, 8192);
  device.closeSync();
  test.end();
});

t.test('a size that cannot be had changes nothing', ON_HOST, (test) => {
  const path = scratchPath(test, '/dev/shm');
  const device = openSync(path, { size: 8192 });
  device.writeSync(Buffer.from('kept'), 0);
  test.throws(() => {
    device.truncateSync(2 ** 50);
  }, { name: 'DaxError' });
  test.equal(device.size, 8192);
  test.equal(statSync(path).size, 8192);
  test.equal(Buffer.from(device.view(0, 4)).toString(), 'kept');
  device.closeSync();

  const empty = scratchPath(test);
  writeFileSync(empty, '');
  test.throws(() => openSync(empty, { size: 4096, requireDax: true }), { code: 'EOPNOTSUPP', reason: 'NOT_DAX' });
  test.equal(readFileSync(empty).length, 0, 'an empty file that was refused is empty again');
  test.end();
});

t.test('a listener for SIGBUS', ON_HOST, (test) => {
  const program = `
    const { openSync } = require('node-dax');
    const device = openSync(process.argv[1], { size: 8192 });
    const waiting = setTimeout(() => 0, 20_000);
    const listener = () => {
      console.log('heard');
      clearTimeout(waiting);
      process.off('SIGBUS', listener);
      setImmediate(gone);
    };
    const gone = () => { try { device.readSync(Buffer.alloc(1), 4096); } catch (error) { console.log(error.code); } };
    require('node:fs').truncateSync(process.argv[1], 4096);
    process.on('SIGBUS', listener);
    setImmediate(() => {
      gone();
      process.kill(process.pid, 'SIGBUS');
    });`;
  const { stdout, status } = spawnSync(process.execPath, ['-e', program, scratchPath(test, '/dev/shm')], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  test.strictSame({ stdout, status }, { stdout: 'EIO\nheard\nEIO\n', status: 0 });
  test.end();
});
