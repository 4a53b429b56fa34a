// Who may mount what: one at a time to change it, of all objects, threads, processes and names of a file, the kernel included.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, linkSync, readFileSync, symlinkSync, unlinkSync } from 'node:fs';
import t, { type Test } from 'tap';
import { deviceUse, lockDevice, openSync, partition, SECTOR_SIZE, type BlockDevice } from 'node-dax';
import { check, mkfsSync, mount } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { MemoryDevice } from 'node-dax/testkit';
import { ext2 } from '../helpers/ext2-command.js';
import { IMAGE_SIZE, imageFile, inProcess, mountingProcess, mountingWorker } from '../helpers/mounting.js';
import { CONTENT } from '../helpers/mount-main.js';
import { loopMountMissing, withKernelMount } from '../helpers/kernel-mount.js';

const BUSY = { code: 'EBUSY', reason: 'DEVICE_IN_USE' };
const HALF = IMAGE_SIZE / 2 / SECTOR_SIZE;

/** Mounts the image as others would, and unmounts it. */
function mountAlso(image: string, readOnly = false, lock = true): void {
  using device = openSync(image, { readOnly });
  mount(device, { readOnly, lock, onWarning: () => undefined }).unmount();
}

function refusesAll(test: Test, image: string, hint: RegExp): void {
  test.throws(() => { mountAlso(image); }, { ...BUSY, syscall: 'mount', hint });
  test.throws(() => { mountAlso(image, true); }, { ...BUSY, syscall: 'mount' }, 'nor to be read');
  using device = openSync(image);
  const before = readFileSync(image);
  test.throws(() => mkfsSync(device, { force: true }), { ...BUSY, syscall: 'mkfs' });
  test.throws(() => openSync(image, { lock: true }), { ...BUSY, syscall: 'open', hint });
  test.ok(readFileSync(image).equals(before));
}

t.test('a second open in the same thread, by any name', (test) => {
  const image = imageFile(test);
  const [symbolic, hard] = [`${image}-symbolic`, `${image}-hard`];
  symlinkSync(image, symbolic);
  linkSync(image, hard);
  test.teardown(() => { for (const name of [symbolic, hard]) unlinkSync(name); });
  using device = openSync(image);
  const fs = mount(device);
  for (const name of [image, symbolic, hard, `/proc/self/cwd/${'../'.repeat(20)}${image}`]) {
    refusesAll(test, name, new RegExp(`this process \\(${process.pid}\\)`));
  }
  test.throws(() => mount(device), BUSY, 'nor the same object');
  test.throws(() => mount(partition(device, 0, IMAGE_SIZE / SECTOR_SIZE)), BUSY, 'nor another on it');
  test.match(spawnSync('flock', ['--nonblock', '--shared', image, 'true']), { status: 1 }, 'others see it by flock(2)');
  fs.unmount();
  for (const name of [image, symbolic, hard]) mountAlso(name);
  test.match(spawnSync('flock', ['--nonblock', image, 'true']), { status: 0 });
  test.end();
});

t.test('another process, and another thread', async (test) => {
  const image = imageFile(test);
  const child = await mountingProcess(test, { image });
  refusesAll(test, image, new RegExp(`process ${child.pid} \\(.+\\) has it open`));
  test.match(ext2('mkdir', image, 'd'), { status: 1, stderr: new RegExp(`EBUSY.*process ${child.pid} `) });
  test.match(ext2('ls', image), { status: 1, stderr: /EBUSY/ });
  const other = imageFile(test);
  const worker = await mountingWorker(test, { image: other });
  refusesAll(test, other, new RegExp(`this process \\(${process.pid}\\)`));
  await worker.terminate();
  mountAlso(other);
});

t.test('those who read share it', async (test) => {
  const image = imageFile(test);
  await mountingProcess(test, { image, readOnly: true });
  await mountingWorker(test, { image, readOnly: true });
  using device = openSync(image, { readOnly: true });
  using fs = mount(device, { readOnly: true });
  test.ok(fs.readOnly);
  mountAlso(image, true);
  test.match(ext2('ls', image), { status: 0 });
  test.throws(() => { mountAlso(image); }, BUSY);
  test.throws(() => mount(device), { code: 'EROFS' }, 'what is open to be read cannot be mounted to be changed');
});

t.test('many who write at once lose nothing', async (test) => {
  const image = imageFile(test);
  const statuses = await Promise.all(Array.from({ length: 4 }, () => inProcess({ image, end: 'return' })));
  test.ok(statuses.includes(0), `${statuses.filter((status) => status === 0).length} of 4 had their turn`);
  using device = openSync(image);
  test.ok(check(device).isSound);
  using fs = mount(device, { onWarning: () => undefined });
  test.ok(createFs(fs).readFileSync('/file').equals(CONTENT));
});

t.test('parts of a device, each with its own filesystem', async (test) => {
  const image = imageFile(test);
  using device = openSync(image);
  using again = openSync(image);
  const halves: [BlockDevice, BlockDevice] = [partition(device, 0, HALF), partition(again, HALF, HALF)];
  for (const half of halves) mkfsSync(half, { force: true });
  const mounted = halves.map((half) => mount(half));
  test.throws(() => mount(partition(again, 0, HALF)), BUSY, 'a part that another object has');
  test.throws(() => mount(partition(device, 8, HALF)), BUSY, 'a part of parts that others have');
  test.throws(() => mkfsSync(device, { force: true }), BUSY, 'the whole');
  test.throws(() => openSync(image, { lock: true }), BUSY);
  for (const fs of mounted) fs.unmount();
  await mountingProcess(test, { image, part: { start: 0, count: HALF } });
  await mountingWorker(test, { image, part: { start: HALF, count: HALF } });
  for (const half of halves) test.throws(() => mount(half), BUSY);
  test.throws(() => mkfsSync(device, { force: true }), BUSY);
});

t.test('a device that its user has locked', (test) => {
  const image = imageFile(test);
  using device = openSync(image, { lock: true });
  using half = mount(device);
  test.throws(() => mount(device), BUSY, 'its lock covers one of them, not two');
  half.sync();
  test.end();
});

t.test('lock: false is for who knows better', (test) => {
  const image = imageFile(test);
  using device = openSync(image);
  const fs = mount(device);
  mountAlso(image, true, false);
  test.throws(() => { mountAlso(image); }, BUSY);
  fs.unmount();
  const careless = mount(device, { lock: false });
  mountAlso(image, true);
  careless.unmount();
  test.end();
});

t.test('a mount or format that fails leaves the device free', (test) => {
  const image = imageFile(test);
  using device = openSync(image);
  test.throws(() => mkfsSync(device), { code: 'EEXIST' });
  device.zeroSync(0, 4096);
  test.throws(() => mount(device), { code: 'EINVAL' });
  openSync(image, { lock: true }).closeSync();
  test.end();
});

t.test('locks of devices', (test) => {
  const image = imageFile(test);
  using device = openSync(image);
  using other = openSync(image);
  const shared = [device.lock('shared', 0, 8192), device.lock('shared', 4096, 8192), other.lock('shared')];
  for (const [index, lock] of shared.entries()) {
    test.throws(() => other.lock('exclusive', 4096, 1), BUSY, `${3 - index} share it`);
    lock.release();
    lock.release();
  }
  {
    using lock = other.lock('exclusive', 8192n, 4096n);
    test.ok(lock);
    device.lock('exclusive', 0, 8192).release();
    test.throws(() => device.lock('shared', 8191, 2), BUSY);
  }
  // One of two that overlap ends: what the other has of it stays.
  const [first, second] = [device.lock('shared', 0, 8192), device.lock('shared', 4096, 8192)];
  first.release();
  other.lock('exclusive', 0, 4096).release();
  test.throws(() => other.lock('exclusive', 4096, 4096), BUSY);
  second.release();
  other.lock('exclusive').release();
  for (const bad of ['none', undefined, 1]) test.throws(() => device.lock(bad as 'shared'), TypeError);
  test.throws(() => device.lock('shared', 0, IMAGE_SIZE + 1), RangeError);
  const gone = openSync(image);
  const left = gone.lock('exclusive');
  gone.closeSync();
  left.release();
  test.throws(() => gone.lock('shared'), { code: 'EBADF' });
  device.lock('exclusive').release();

  const memory = new MemoryDevice(new Uint8Array(8192));
  const held = lockDevice(memory, 'exclusive', 4096);
  test.throws(() => lockDevice(partition(memory, 8, 8), 'shared'), BUSY, 'what is in memory is known by the object');
  lockDevice(partition(memory, 0, 8), 'exclusive').release();
  held.release();
  lockDevice(memory, 'exclusive').release();
  test.end();
});

/** A loop device on `image`. */
function loopOver(image: string, ...options: string[]): { readonly name: string; end(): void } {
  const { status, stdout, stderr } = spawnSync('losetup', ['--find', '--show', ...options, image], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  const name = stdout.trim();
  return { name, end: () => { spawnSync('losetup', ['--detach', name]); } };
}

const mountMissing = loopMountMissing() ?? false;

function loopMissing(): string | false {
  if (process.getuid?.() !== 0 || !existsSync('/dev/loop-control')) return 'only root has loop devices, where the kernel has them';
  return spawnSync('losetup', ['--version']).error === undefined ? false : 'losetup: not installed: apt-get install mount';
}

t.test('what the kernel has a loop device of', { skip: loopMissing() }, (test) => {
  const image = imageFile(test);
  const hard = `${image}-hard`;
  linkSync(image, hard);
  test.teardown(() => { unlinkSync(hard); });
  const loop = loopOver(hard);
  try {
    test.throws(() => { mountAlso(image); }, { ...BUSY, syscall: 'mount', hint: /is part of loop\d+/ });
    test.throws(() => { mountAlso(image, true); }, BUSY, 'nor is what others may change read');
    mountAlso(image, true, false);
    using device = openSync(image);
    test.throws(() => mkfsSync(device, { force: true }), { ...BUSY, hint: /is part of loop\d+/ });
  } finally {
    loop.end();
  }
  const reader = loopOver(hard, '--read-only');
  try {
    mountAlso(image, true);
    test.throws(() => { mountAlso(image); }, BUSY);
  } finally {
    reader.end();
  }
  mountAlso(image);
  test.end();
});

t.test('a block device', { skip: loopMissing() }, (test) => {
  const image = imageFile(test);
  const loop = loopOver(image);
  try {
    using device = openSync(loop.name);
    const fs = mount(device);
    test.throws(() => { mountAlso(loop.name); }, BUSY);
    test.throws(() => { mountAlso(image); }, BUSY, 'nor the file that it lies on');
    test.ok(deviceUse(loop.name).busy, 'the kernel does not mount it either');
    if (!mountMissing) test.throws(() => { withKernelMount(loop.name, {}, () => undefined); }, /already mounted|busy/);
    fs.unmount();
    test.notOk(deviceUse(loop.name).busy);
    mountAlso(loop.name);
    if (!mountMissing) withKernelMount(loop.name, {}, () => undefined);
  } finally {
    loop.end();
  }
  test.end();
});

t.test('what the kernel has mounted', { skip: loopMissing() || mountMissing }, async (test) => {
  const image = imageFile(test);
  // First the kernel, then we.
  withKernelMount(image, {}, () => {
    refusesByKernel(test, image);
    test.match(ext2('mkdir', image, 'd'), { status: 1, stderr: /EBUSY/ });
    test.match(ext2('ls', image), { status: 1, stderr: /EBUSY/ });
  });
  withKernelMount(image, { options: ['ro'] }, () => {
    test.throws(() => { mountAlso(image); }, BUSY, 'not even where the kernel only reads it');
    mountAlso(image, true);
    test.match(ext2('ls', image), { status: 0 });
  });
  const loop = loopOver(image);
  try {
    withKernelMount(loop.name, {}, () => {
      refusesByKernel(test, loop.name);
      refusesByKernel(test, image);
    });
    // First we, in another process and in a worker, then the kernel.
    const child = await mountingProcess(test, { image: loop.name });
    test.throws(() => { withKernelMount(loop.name, {}, () => undefined); }, /already mounted|busy/);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const worker = await mountingWorker(test, { image: loop.name });
    test.throws(() => { withKernelMount(loop.name, {}, () => undefined); }, /already mounted|busy/);
    await worker.terminate();
    withKernelMount(loop.name, {}, () => undefined);
  } finally {
    loop.end();
  }
});

function refusesByKernel(test: Test, path: string): void {
  // A block device is refused when it is opened.
  test.throws(() => { mountAlso(path); }, BUSY, path);
  test.throws(() => { mountAlso(path, true); }, BUSY, `${path}: nor to be read`);
}
