// What becomes of soft-reserved memory: devices in several pieces, other alignments, seeds, and ordinary memory.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { daxMmap, deviceUse, doctor, list, openSync, PAGE_SIZE, SECTOR_SIZE, type DevdaxInfo } from 'node-dax';
import { frameOf } from '../helpers/page-frame.js';
import { Tfs } from '../helpers/tfs.js';
import { checkUnused } from '../../lib/cli/permission.js';

const PATH = process.env['NODE_DAX_TEST_HMEM'] ?? '';
const skip = PATH === '' && 'NODE_DAX_TEST_HMEM names no device: npm run test:guest has one';

const MIB = 1024 * 1024;
const PIECE = 32 * MIB;
const NAME = PATH.replace('/dev/', '');
const DEVICES = '/sys/bus/dax/devices';
const DRIVER = '/sys/bus/dax/drivers/device_dax';

const number = (path: string): number => Number(readFileSync(path, 'latin1'));
const unbind = (name: string): void => { if (existsSync(`${DEVICES}/${name}/driver`)) writeFileSync(`${DEVICES}/${name}/driver/unbind`, name); };
const resize = (name: string, bytes: number): void => { writeFileSync(`${DEVICES}/${name}/size`, String(bytes)); };
const found = (name: string): DevdaxInfo | undefined => list().find((device): device is DevdaxInfo => device.kind === 'devdax' && device.chardev === name);

function bind(name: string): void {
  // Since Linux 6.3 the driver takes such memory only by name.
  writeFileSync(`${DRIVER}/new_id`, name);
  if (!existsSync(`${DEVICES}/${name}/driver`)) writeFileSync(`${DRIVER}/bind`, name);
}

/** The region of the device; the test gives it back as it was, whatever has become of it. */
function regionOf(test: Test): { create: () => string } {
  const region = join(dirname(realpathSync(`${DEVICES}/${NAME}`)), 'dax_region');
  const ours = (): string[] => readdirSync(dirname(region)).filter((name) => /^dax\d+\.\d+$/.test(name));
  const [size, align] = [number(`${DEVICES}/${NAME}/size`), number(`${DEVICES}/${NAME}/align`)];
  test.teardown(() => {
    for (const name of ours()) {
      unbind(name);
      resize(name, 0);
      if (name !== NAME) writeFileSync(`${region}/delete`, name);
    }
    resize(NAME, size);
    writeFileSync(`${DEVICES}/${NAME}/align`, String(align));
    bind(NAME);
  });
  const create = (): string => {
    const before = ours();
    writeFileSync(`${region}/create`, '1');
    return ours().find((name) => !before.includes(name)) ?? '';
  };
  return { create };
}

t.test('the page frames of a device in several pieces, with the memory of another between them', { skip }, (test) => {
  const { create } = regionOf(test);
  unbind(NAME);
  resize(NAME, 0);
  const first = create();
  resize(first, PIECE);
  resize(NAME, PIECE);
  const other = create();
  resize(other, PIECE);
  resize(first, 0);
  // What was taken first is free again, and the rest is behind the other device.
  resize(NAME, 3 * PIECE);
  bind(NAME);
  bind(other);

  const mappings = found(NAME)?.mappings ?? [];
  const places = mappings.map(({ pageOffset, size, start }) => ({ pos: pageOffset * PAGE_SIZE, size, start }));
  test.strictSame(places.map(({ pos, size }) => [pos, size]), [[0, PIECE], [PIECE, PIECE], [2 * PIECE, PIECE]]);
  const [a = 0, b = 0, c = 0] = places.map(({ start }) => start);
  test.strictSame([b - a, c - a], [-PIECE, 2 * PIECE], 'the second piece lies before the first, and the third behind the other device');

  using device = openSync(PATH);
  using neighbour = openSync(`/dev/${other}`);
  test.equal(device.size, 3 * PIECE);
  for (const place of [0, 1, 2]) {
    for (const pos of [place * PIECE, place * PIECE + 5 * PAGE_SIZE, (place + 1) * PIECE - PAGE_SIZE]) {
      device.writeSync(Buffer.from('touched'), pos);
      test.equal(device.directAccess(pos / SECTOR_SIZE, 512).pfn, frameOf(PATH, pos), `at byte ${pos}`);
    }
  }
  neighbour.writeSync(Buffer.from('other'), 0);
  test.equal(neighbour.directAccess(0, 512).pfn, frameOf(neighbour.path, 0));
  test.equal(neighbour.directAccess(0, 512).pfn, (a + PIECE) / PAGE_SIZE);
  test.equal(device.facts.resource, a);

  const across = Buffer.alloc(3 * PAGE_SIZE, 7);
  for (const end of [PIECE, 2 * PIECE]) {
    device.writeSync(across, end - PAGE_SIZE - 100);
    const read = Buffer.alloc(across.length);
    device.readSync(read, end - PAGE_SIZE - 100);
    test.ok(read.equals(across), 'what crosses from one piece to the next');
  }
  const kept = Buffer.alloc(5);
  neighbour.readSync(kept, 0);
  test.equal(kept.toString(), 'other');
  test.end();
});

t.test('a device aligned to 2 MiB, and the command that makes it one of 4 KiB', { skip }, (test) => {
  regionOf(test);
  unbind(NAME);
  writeFileSync(`${DEVICES}/${NAME}/align`, String(2 * MIB));
  bind(NAME);
  let command = '';
  {
    using device = openSync(PATH);
    test.equal(device.alignment, 2 * MIB);
    device.writeSync(Buffer.from('still there'), 0);
    const fs = new Tfs({ devices: [device], blocksPerDevice: 4096, cluster: 1 });
    const inode = fs.inode(4 * MIB);
    fs.seek(513);
    fs.allocate(inode, 0, 1024);
    try {
      daxMmap(inode, {}, fs.operations.getBlock);
      test.fail('it begins between two pages');
    } catch (error) {
      test.match(error, { reason: 'UNALIGNED_EXTENT' });
      command = /use `([^`]+)`/.exec(String(error))?.[1] ?? '';
      test.notMatch(String(error), /erases/);
    }
  }
  const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
  test.equal(status, 0, `${command}: ${stderr}`);
  using device = openSync(PATH);
  test.equal(device.alignment, 4096);
  const read = Buffer.alloc(11);
  device.readSync(read, 0);
  test.equal(read.toString(), 'still there');
  test.end();
});

t.test('a seed: what is free is told, with the command that makes a device of it', { skip }, (test) => {
  regionOf(test);
  unbind(NAME);
  resize(NAME, 0);
  test.match(found(NAME), { size: 0, daxregion: { availableSize: /^\d+$/ } });
  const report = doctor(PATH);
  test.match(report, { kind: 'devdax', isDax: false, verdict: /seed.*free/ });
  test.throws(() => openSync(PATH), { message: /node-dax doctor/ });
  const { status, stderr } = spawnSync('sh', ['-c', report.fix ?? 'false'], { encoding: 'utf8' });
  test.equal(status, 0, `${report.fix}: ${stderr}`);
  const made = list().find((device) => device.kind === 'devdax' && device.size > 0 && device.region === undefined);
  using device = openSync(made?.path ?? '');
  test.ok(device.size >= PIECE, made?.path ?? 'none');
  test.end();
});

// Last: memory that the kernel has taken may not come back.
const noNode = found(NAME)?.targetNode === undefined && 'the kernel takes no memory without a NUMA node, and the machine names none';
t.test('mode system-ram: nothing opens it, by force or otherwise', { skip: skip || noNode }, (test) => {
  regionOf(test);
  const folder = `/lib/modules/${release()}/kernel/drivers/dax`;
  const module = readdirSync(folder).find((name) => name.startsWith('kmem.ko'));
  spawnSync('insmod', [join(folder, module ?? '')]);
  const { status, stderr } = spawnSync('daxctl', ['reconfigure-device', '--no-online', '--mode=system-ram', NAME], { encoding: 'utf8' });
  test.equal(status, 0, stderr);
  test.match(found(NAME), { mode: 'system-ram' });
  test.match(deviceUse(PATH), { inUse: true, systemRam: true });
  for (const force of [false, true]) test.throws(() => openSync(PATH, { force }), { code: 'ENXIO', message: /node-dax doctor/ });
  const refusal = (): void => { checkUnused(PATH, 'demo'); };
  test.throws(refusal, { code: 'EBUSY', message: /system-ram.*cannot be opened/ });
  try {
    refusal();
  } catch (error) {
    test.notMatch(String(error), /--force/);
  }
  const { fix = 'false' } = doctor(PATH);
  const back = spawnSync('sh', ['-c', fix], { encoding: 'utf8' });
  test.equal(back.status, 0, `${fix}: ${back.stderr}`);
  using device = openSync(PATH);
  test.equal(device.persistent, false);
  test.end();
});
