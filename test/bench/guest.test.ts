// The benchmark on the kinds of devices that users would compare: which drivers take part, and that nothing outside the given paths
// changes.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Report } from '../../lib/bench/report/report.js';
import { onDevices } from '../helpers/devices.js';
import { THOROUGH } from '../helpers/thorough.js';

// Each trial is a process, and a guest is slow.
t.setTimeout(900_000);

const MAIN = join(__dirname, '..', '..', 'lib', 'cli', 'main.js');
const OWN = ['view', 'sync', 'async', 'fs', 'direct', 'filehandle'];
// One of each way to read, and the engine that would write: each is a process.
const READERS = ['view', 'fs', 'direct', 'fio-mmap', 'fio-dev-dax', 'fio-libpmem'];
// On a block device, one of each way to the memory: mapped, copied by this process, and by the kernel.
const OWN_ON_BLOCK = THOROUGH ? OWN : ['view', 'sync', 'direct'];
const REFUSED = 'its filesystem refuses O_DIRECT';
const SIZE = 64 * 1024;

// Other suites have files for `npm test`.
const DEVICES = [...(THOROUGH ? ['a tmpfs file'] : []), 'a file on ext4 -o dax', 'devdax of 4 KiB', 'raw pmem'];

onDevices('bench on', DEVICES, (test, wanted) => {
  const { path, kind, isDax } = wanted;
  const behind = Buffer.from('not touched');
  const device = wanted.open();
  device.zeroSync(0, SIZE); // nothing that is known by a signature
  device.writeSync(behind, SIZE);
  device.closeSync();
  const options = ['--size', `${SIZE}`, '--rw', 'randrw', '--loops', '2', '--ramp_time', '10ms', '--repeats', '1', '--json', '--yes-overwrite'];
  const own = kind === 'block' ? OWN_ON_BLOCK : OWN;
  const drivers = [...own, 'fio-dev-dax', 'fio-libpmem'].flatMap((name) => ['--driver', name]);
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'bench', path, ...options, ...drivers], { encoding: 'utf8' });
  test.equal(status, 0, stderr);
  const report = (JSON.parse(stdout) as { 'node-dax': Report })['node-dax'];
  test.match(report.subject, { path, kind, isDax });
  test.equal(report.results.length, 1);
  for (const { name, groups, absent } of report.results) {
    const ran = groups.flatMap(({ rows }) => rows.map(({ driver }) => driver)).sort();
    const without = absent.map(({ driver, why }) => `${driver}: ${why}`);
    const able = kind === 'devdax' ? ['async', 'sync', 'view'] : own;
    for (const driver of able) {
      // overlayfs does, and tmpfs before Linux 6.6.
      const refused = driver === 'direct' && kind === 'file' && absent.some(({ why }) => why === REFUSED);
      test.ok(ran.includes(driver) || refused, `${name} by ${driver}; ${without.join('; ')}`);
    }
    if (kind === 'devdax') test.notOk(ran.includes('fs'));
    test.strictSame(absent.filter(({ why }) => why.startsWith('failed')), []);
    for (const { rows } of groups) for (const { iops } of rows) test.ok(iops.median > 0);
  }
  const found = Buffer.alloc(behind.length);
  test.equal(wanted.open().readSync(found, SIZE), found.length);
  test.equal(found.toString(), behind.toString());
});

onDevices('bench that only reads changes nothing on', DEVICES, (test, wanted) => {
  const { path, kind } = wanted;
  const device = wanted.open();
  const content = Buffer.alloc(SIZE, 'precious');
  device.writeSync(content, 0);
  const { size } = device;
  device.closeSync();
  const stateOf = (): unknown => {
    const { ino, size: bytes, blocks, mtimeNs } = statSync(path, { bigint: true });
    using found = wanted.open({ readOnly: true });
    found.readSync(content, 0);
    return { ino, bytes, blocks, mtimeNs, size: found.size, hash: createHash('sha256').update(content).digest('hex') };
  };
  const before = stateOf();
  const isFile = kind === 'file' || kind === 'fsdax';
  const options = ['--rw', 'randread', '--loops', '1', '--ramp_time', '10ms', '--runtime', '100ms', '--repeats', '1', '--json'];
  // All of a file too: libpmem would leave one of another size alone.
  for (const [worked, names] of isFile ? [[SIZE, READERS], [size, ['fio-mmap', 'fio-libpmem']]] as const : [[SIZE, READERS]] as const) {
    const drivers = names.flatMap((name) => ['--driver', name]);
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'bench', path, '--size', `${worked}`, ...options, ...drivers], { encoding: 'utf8' });
    test.equal(status, 0, stderr);
    const [result] = (JSON.parse(stdout) as { 'node-dax': Report })['node-dax'].results;
    const ran = result?.groups.flatMap(({ rows }) => rows.map(({ driver }) => driver)) ?? [];
    test.ok(ran.includes(kind === 'devdax' ? 'fio-dev-dax' : 'fio-mmap'), ran.join(' '));
    test.strictSame(result?.absent.filter(({ why }) => why.startsWith('failed')), []);
    if (kind === 'fsdax') test.match(result?.absent.find(({ driver }) => driver === 'fio-libpmem')?.why, /overwrites a file before it reads/);
    test.strictSame(stateOf(), before, `${worked} bytes`);
  }
});
