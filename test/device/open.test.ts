import { chmodSync, existsSync, mkdtempSync, rmSync, statfsSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { DaxError, open, openSync } from 'node-dax';
import { FILE_SIZE, onEveryDevice, scratchPath } from '../helpers/devices.js';
import { userEmulation } from '../helpers/emulated.js';
import { ON_HOST } from '../helpers/guest.js';

onEveryDevice('open tells the truth about', (test, wanted) => {
  const device = wanted.open();
  test.match(device, { path: wanted.path, kind: wanted.kind, isDax: wanted.isDax, readOnly: false, isOpen: true });
  test.ok(wanted.granularities.includes(device.granularity), `granularity ${device.granularity}`);
  test.equal(device.mapSync, device.granularity !== 'page', 'MAP_SYNC is what makes flushing enough');
  test.ok(device.size > 0 && Number.isSafeInteger(device.size));
  test.equal(device.alignment, wanted.name === 'devdax of 2 MiB' ? 2 * 1024 * 1024 : 4096);
  if (wanted.kind === 'devdax') {
    test.equal(device.size % device.alignment, 0);
    if (wanted.persistent === true) test.ok(device.facts.persistenceDomain, 'an NVDIMM names its persistence domain');
  }
});

onEveryDevice('requireDax and requireGranularity', (test, wanted) => {
  const found = wanted.open();
  if (wanted.isDax) test.equal(wanted.open({ requireDax: true }).isDax, true);
  else test.throws(() => openSync(wanted.path, { requireDax: true }), { code: 'EOPNOTSUPP', reason: 'NOT_DAX' });
  if (wanted.name === 'devdax on virtio-pmem') {
    const refusal = { code: 'EOPNOTSUPP', reason: 'NOT_DURABLE', message: /no store is durable/ };
    for (const each of ['byte', 'cache_line', 'page'] as const) test.throws(() => openSync(wanted.path, { requireGranularity: each }), refusal);
    return;
  }
  test.equal(wanted.open({ requireGranularity: 'page' }).granularity, found.granularity);
  const finer = found.granularity === 'page' ? 'cache_line' : 'byte';
  const refusal = { code: 'EOPNOTSUPP', reason: 'GRANULARITY_NOT_SUPPORTED' };
  if (found.granularity !== 'byte') {
    test.throws(() => openSync(wanted.path, { ...wanted.needed, requireGranularity: finer }), refusal);
  }
});

onEveryDevice('a read-only device', async (test, wanted) => {
  const writable = wanted.open();
  writable.writeSync(Buffer.from('kept'), 4000);
  const device = wanted.open({ readOnly: true });
  test.equal(device.readOnly, true);
  const refusal = { code: 'EROFS', reason: 'READ_ONLY' };
  test.throws(() => device.writeSync(Buffer.alloc(1), 0), refusal);
  await test.rejects(device.write(Buffer.alloc(1 << 20), 0), refusal);
  test.throws(() => device.zeroSync(0, 1), refusal);
  test.throws(() => device.writevSync([Buffer.alloc(1)], 0), refusal);
  test.throws(() => {
    device.truncateSync(1);
  }, refusal);
  const read = Buffer.alloc(4);
  device.readSync(read, 4000);
  test.equal(read.toString(), 'kept');
  if (wanted.kind === 'devdax') {
    test.throws(() => device.view(0, 1), { code: 'EACCES', reason: 'DEVDAX_PRIVATE' });
    return;
  }
  const view = device.view(4000, 4);
  test.equal(Buffer.from(view).toString(), 'kept');
  view.fill(0);
  writable.readSync(read, 4000);
  test.equal(read.toString(), 'kept', 'a stray store through a read-only view stays in it');
  device.readSync(read, 4000);
  test.equal(read.toString(), 'kept');
});

t.test('size creates a file and nothing else', ON_HOST, (test) => {
  const path = scratchPath(test);
  const device = openSync(path, { size: 10_000n });
  test.equal(device.size, 10_000);
  test.equal(statSync(path).blocks * 512 >= 10_000, true, 'it is allocated: no store finds the disk full');
  device.writeSync(Buffer.from('x'), 9_999);
  device.closeSync();
  test.equal(openSync(path, { size: 10_000 }).size, 10_000, 'the same size again opens it as it is');
  test.throws(() => openSync(path, { size: 20_000 }), { code: 'EEXIST', reason: 'SIZE_MISMATCH' });
  test.equal(statSync(path).size, 10_000);

  const empty = scratchPath(test);
  writeFileSync(empty, '');
  test.throws(() => openSync(empty), { code: 'EINVAL', reason: 'SOURCE_EMPTY' });
  test.equal(openSync(empty, { size: FILE_SIZE }).size, FILE_SIZE);

  const refused = scratchPath(test);
  test.throws(() => openSync(refused, { size: 4096, requireDax: true }), { code: 'EOPNOTSUPP', reason: 'NOT_DAX' });
  test.notOk(existsSync(refused), 'a file made for an open that was refused is removed');
  test.throws(() => openSync('/dev/shm/node-dax-too-large', { size: 2 ** 52 }), DaxError);
  test.notOk(existsSync('/dev/shm/node-dax-too-large'));
  test.end();
});

onEveryDevice('size, where it is what there is, of', (test, wanted) => {
  const { size } = wanted.open();
  test.equal(wanted.open({ size }).size, size);
  test.throws(() => openSync(wanted.path, { size: size + 4096 }), { code: 'EEXIST', reason: 'SIZE_MISMATCH' });
});

t.test('open() that is aborted makes no file', ON_HOST, async (test) => {
  const path = scratchPath(test);
  const late = new AbortController();
  const opening = open(path, { size: 8192, signal: late.signal });
  late.abort();
  await test.rejects(opening, { name: 'AbortError', code: 'ABORT_ERR' });
  test.notOk(existsSync(path));

  writeFileSync(path, '');
  const filling = new AbortController();
  const filled = open(path, { size: 8192, lock: true, signal: filling.signal });
  filling.abort();
  await test.rejects(filled, { name: 'AbortError' });
  test.equal(statSync(path).size, 0, 'an empty file stays empty');

  await test.rejects(open(path, { size: 8192, signal: AbortSignal.abort() }), { name: 'AbortError' });
  await test.rejects(open(path, { signal: {} as AbortSignal }), { code: 'ERR_INVALID_ARG_TYPE', message: /signal/ });
  test.throws(() => openSync(path, { signal: late.signal } as never), { name: 'TypeError' }, 'openSync waits for nothing that ends');
  const device = await open(path, { size: 8192, lock: true, signal: new AbortController().signal });
  test.equal(device.size, 8192, 'and nothing of the aborted ones is open');
  device.closeSync();
});

t.test('no file is made where devices are', ON_HOST, (test) => {
  const folder = test.testdir({ proc: test.fixture('symlink', '/proc'), dax: test.fixture('symlink', '/dev') });
  const places = ['/dev/dax9.0', '/dev/pmem99', '/dev/daxx1.0', '/proc/dax9.0', '/sys/kernel/dax9.0', `${folder}/dax/dax9.0`, `${folder}/proc/x`, '/dev/nowhere/by-id/dax9.0'];
  for (const path of places) {
    for (const options of [{ size: 8192 }, {}, { size: 8192, lock: true }]) {
      const expected = { code: 'ENOENT', reason: 'DEVICE_NOT_FOUND', path, hint: /`node-dax list`/ };
      test.throws(() => openSync(path, options), expected, path);
    }
    test.notOk(existsSync(path));
  }
  const path = scratchPath(test, '/dev/shm');
  test.equal(openSync(path, { size: 8192 }).size, 8192, 'but in /dev/shm');
  test.end();
});

t.test('more than there is room for', { skip: ON_HOST.skip || userEmulation }, (test) => {
  const path = scratchPath(test, '/dev/shm');
  const { bfree, bsize } = statfsSync('/dev/shm');
  const size = (bfree + 1_000_000) * bsize;
  const hint = new RegExp(`${size} bytes were asked for, and [0-9]+ are free there.*\`truncate -s ${size} '${path}'\``);
  test.throws(() => openSync(path, { size }), { code: 'ENOSPC', hint });
  test.notOk(existsSync(path));
  execFileSync('truncate', ['-s', String(size), path]);
  const device = openSync(path);
  test.equal(device.size, size, 'what it says to do works');
  device.closeSync();
  test.end();
});

t.test('what cannot be opened says what to do', { skip: ON_HOST.skip || userEmulation }, async (test) => {
  const folder = mkdtempSync(join(tmpdir(), 'node-dax-test-'));
  test.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const loop = join(folder, 'loop');
  symlinkSync(loop, loop);
  const cases: [path: string, code: string, message: RegExp][] = [
    [folder, 'EISDIR', /give a file in it/],
    [join(folder, 'absent'), 'ENOENT', /`size` creates/],
    [join(folder, 'absent', 'x'), 'ENOENT', /does not exist/],
    ['/dev/null', 'ENODEV', /only files, block devices and device-DAX/],
    ['/dev/tty', 'ENODEV', /only files/],
    ['/proc/self/maps', 'EINVAL', /empty/],
    [loop, 'ELOOP', /loop/],
    [join('/etc/passwd', 'x'), 'ENOTDIR', /not a directory/],
    ['x'.repeat(5000), 'ENAMETOOLONG', /name too long/],
  ];
  for (const [path, code, message] of cases) {
    test.throws(() => openSync(path), { name: 'DaxError', code, syscall: 'open', path, message }, path.slice(0, 60));
    await test.rejects(open(path), { code });
  }
});

t.test('a file without permission', { skip: process.getuid?.() === 0 ? 'root may open every file' : false }, (test) => {
  const path = scratchPath(test);
  writeFileSync(path, 'x');
  chmodSync(path, 0o400);
  test.throws(() => openSync(path), { code: 'EACCES', message: /node-dax doctor/ });
  test.equal(openSync(path, { readOnly: true }).size, 1);
  test.end();
});

t.test('wrong arguments throw before anything happens', ON_HOST, async (test) => {
  const path = scratchPath(test);
  for (const bad of [undefined, null, 1, {}, Buffer.from(path), '', 'a\0b']) {
    test.throws(() => openSync(bad as string), TypeError);
    await test.rejects(open(bad as string), TypeError);
  }
  for (const [options, error] of [
    [null, TypeError],
    [1, TypeError],
    [{ readOnly: 1 }, TypeError],
    [{ requireDax: 'yes' }, TypeError],
    [{ force: 0 }, TypeError],
    [{ requireDurable: 'yes' }, TypeError],
    [{ lock: 'shared' }, TypeError],
    [{ requireGranularity: 'line' }, TypeError],
    [{ readOnly: true, size: 1 }, TypeError],
    [{ size: '1' }, TypeError],
    [{ size: 0 }, RangeError],
    [{ size: -1 }, RangeError],
    [{ size: Number.NaN }, RangeError],
    [{ size: 2 ** 53 }, RangeError],
    [{ size: 2n ** 64n }, RangeError],
    [{ size: 1.5 }, RangeError],
  ] as const) {
    test.throws(() => openSync(path, options as object), error, JSON.stringify(options, stringify));
  }
  test.notOk(existsSync(path));
});

function stringify(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}
