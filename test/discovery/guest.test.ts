// Owns the tests of discovery on real devices: list() says what ndctl and daxctl say, doctor() what the kernel does.

import t, { type Test } from 'tap';
import { execFileSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { deviceUse, type DevdaxInfo, doctor, list, type PmemInfo } from '../../src/index.js';
import { ONLY_OTHERS } from '../helpers/devices.js';
import { IN_GUEST } from '../helpers/guest.js';

type Json = Record<string, unknown>;

const skip = !IN_GUEST && 'needs the devices of a guest: npm run test:guest';

function tool(program: string, ...args: string[]): Json[] {
  const text = execFileSync(program, args, { encoding: 'utf8' });
  const value = (text.trim() === '' ? [] : JSON.parse(text)) as Json | Json[];
  return Array.isArray(value) ? value : [value];
}

/** The fields of the tool's object, from ours by the rule of `--json`; what the tool leaves out, we may say. */
function inItsWords(ours: object, theirs: Json): Json {
  const snake = Object.fromEntries(
    Object.entries(ours).map(([key, value]) => [
      key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value as unknown,
    ]),
  );
  return Object.fromEntries(Object.keys(theirs).map((key) => [key, snake[key]]));
}

function devdax(): DevdaxInfo[] {
  return list().filter((device) => device.kind === 'devdax');
}

function pmem(): PmemInfo[] {
  return list().filter((device) => device.kind === 'pmem');
}

t.test('devdax devices as `daxctl list -DM`', { skip }, (t) => {
  const theirs = tool('daxctl', 'list', '-D', '-M');
  t.ok(theirs.length > 0, 'daxctl lists some');
  t.equal(devdax().length, theirs.length);
  for (const device of theirs) {
    // The state of memory blocks is not the device's.
    const { online_memblocks, total_memblocks, movable, ...fields } = device;
    t.equal(online_memblocks === undefined, total_memblocks === undefined && movable === undefined);
    const ours = devdax().find(({ chardev }) => chardev === device['chardev']);
    if (ours === undefined) {
      t.fail(`${String(device['chardev'])} is not in list()`);
      continue;
    }
    const mappings = ours.mappings.map(({ pageOffset, ...rest }) => ({ page_offset: pageOffset, ...rest }));
    t.strictSame(inItsWords({ ...ours, mappings }, fields), fields, ours.chardev);
  }
  t.end();
});

t.test('pmem devices as `ndctl list -vN`', { skip: skip || (ONLY_OTHERS && 'the guest has no block devices of its memory') }, (t) => {
  const theirs = tool('ndctl', 'list', '-v', '-N').filter(({ blockdev }) => blockdev !== undefined);
  t.ok(theirs.length > 0, 'ndctl lists some');
  t.equal(pmem().length, theirs.length);
  for (const namespace of theirs) {
    const ours = pmem().find(({ dev }) => dev === namespace['dev']);
    if (ours === undefined) t.fail(`${String(namespace['dev'])} is not in list()`);
    else t.strictSame(inItsWords(ours, namespace), namespace, ours.dev);
  }
  t.end();
});

t.test('devdax namespaces as `ndctl list -vN`', { skip }, (t) => {
  for (const namespace of tool('ndctl', 'list', '-v', '-N').filter(({ mode }) => mode === 'devdax')) {
    const ours = devdax().find((device) => device.namespace === namespace['dev']);
    t.match(
      { uuid: ours?.uuid, size: ours?.size, align: ours?.align, numa_node: ours?.numaNode },
      {
        uuid: namespace['uuid'],
        size: namespace['size'],
        align: namespace['align'],
        numa_node: namespace['numa_node'],
      },
    );
  }
  t.end();
});

t.test('regions as `ndctl list -Rv`', { skip }, (t) => {
  const regions = new Map([...devdax(), ...pmem()].map(({ region }) => [region?.dev, region]));
  for (const region of tool('ndctl', 'list', '-R')) {
    const ours = regions.get(String(region['dev']));
    // Above 2^53, and of no use to a program that does not configure NVDIMMs. And ndctl 76 calls volatile regions pmem.
    const left = ours?.type === 'volatile' ? ['iset_id', 'type'] : ['iset_id'];
    const fields = Object.fromEntries(Object.entries(region).filter(([key]) => !left.includes(key)));
    if (ours === undefined) t.fail(`${String(region['dev'])} is not in list()`);
    else t.strictSame(inItsWords(ours, fields), fields, ours.dev);
  }
  t.end();
});

t.test('mounts', { skip }, (t) => {
  const points = list().filter((device) => device.kind === 'mount');
  for (const name of ['EXT4', 'XFS', 'VIRTIO_PMEM']) {
    const directory = process.env[`NODE_DAX_TEST_${name}`];
    if (directory === undefined) continue;
    const mount = points.find(({ mountpoint }) => directory === mountpoint || directory.startsWith(`${mountpoint}/`));
    t.match(mount, { dax: 'always' }, `${name} ${directory}`);
    if (mount?.size !== undefined) t.equal(deviceUse(mount.source).mountpoints.includes(mount.mountpoint), true);
  }
  t.end();
});

/** A test of the device or directory that an environment variable names. */
function on(name: string, body: (t: Test, path: string) => void): void {
  const path = process.env[`NODE_DAX_TEST_${name}`];
  const reason = skip || (path === undefined && `NODE_DAX_TEST_${name} names no device`);
  t.test(`doctor: ${name}`, { skip: reason }, (t) => {
    body(t, path ?? '');
    t.end();
  });
}

on('DEVDAX', (t, path) => {
  t.match(doctor(path), { path, kind: 'devdax', isDax: true, granularity: String });
  t.match(deviceUse(path), { inUse: false });
  t.equal(devdax().find((device) => device.path === path)?.align, 4096);
});

on('DEVDAX_2M', (t, path) => {
  t.match(doctor(path), { kind: 'devdax', isDax: true, verdict: /multiples of 2 MiB/ });
});

for (const name of ['EXT4', 'XFS']) {
  on(name, (t, directory) => {
    const file = `${directory}/doctor-${process.pid}`;
    writeFileSync(file, 'x'.repeat(4096));
    t.match(doctor(directory), { kind: 'directory', isDax: true });
    t.match(doctor(file), { kind: 'fsdax', isDax: true, granularity: /^(byte|cache_line)$/ });
  });
}

on('VIRTIO_PMEM', (t, directory) => {
  const file = `${directory}/doctor-${process.pid}`;
  writeFileSync(file, 'x'.repeat(4096));
  t.match(doctor(file), { kind: 'fsdax', isDax: true, granularity: 'page', verdict: /virtio-pmem/ });
});

on('PMEM', (t, path) => {
  t.match(doctor(path), { kind: 'block', isDax: false, granularity: 'page', verdict: /page cache/ });
  t.equal(
    pmem().some(({ blockdev }) => blockdev === basename(path)),
    true,
  );
  t.match(deviceUse(path), { mountpoints: [], busy: false });
});

on('BRD', (t, path) => {
  t.match(doctor(path), { kind: 'block', isDax: false, granularity: 'page', verdict: /4\.15/ });
  t.equal(statSync(path).isBlockDevice(), true);
  t.equal(
    list().some((device) => device.kind === 'brd' && device.path === path),
    true,
  );
});
