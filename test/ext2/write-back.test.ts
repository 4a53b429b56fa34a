// With write-back, on a device that flushes by msync, nothing is flushed until it is asked for, and then everything is.

import t from 'tap';
import { mount, type Ext2 } from 'node-dax/ext2';
import { RecordingDevice } from 'node-dax/testkit';
import { e2fsck, e2fsprogsMissing, mke2fs } from '../helpers/ext2-image.js';

const skip = e2fsprogsMissing() ?? false;
const SIZE = 2 * 2 ** 20;
const SILENT = { onWarning: () => undefined };

class PageDevice extends RecordingDevice {
  override readonly granularity = 'page';
}

const formatted = (): PageDevice => new PageDevice(SIZE, mke2fs({ size: SIZE }));

function make(fs: Ext2, name: string): void {
  using file = fs.open(fs.create(fs.root, name));
  file.writeSync(Buffer.alloc(9000, name), 0);
}

function contentOf(device: RecordingDevice): Uint8Array {
  const bytes = new Uint8Array(SIZE);
  device.readSync(bytes, 0);
  return bytes;
}

// What a mount finds after a power cut.
function survivors(device: RecordingDevice): string[] {
  const after = mount(device.afterPowerCut(), SILENT);
  return [...after.readdir(after.root)].map(({ bytes }) => Buffer.from(bytes).toString()).filter((name) => !/^(?:\.{1,2}|lost\+found)$/.test(name));
}

function flushes(device: RecordingDevice, work: () => void): number {
  device.startTrace();
  work();
  return device.endTrace().events.filter(({ kind }) => kind === 'flush').length;
}

for (const [name, settle] of [
  ['fsync of a file', (fs: Ext2) => { using file = fs.open(fs.resolve('/b')); file.fsync(); }],
  ['fsync of an inode', (fs: Ext2) => { fs.fsync(fs.root); }],
  ['sync', (fs: Ext2) => { fs.sync(); }],
  ['unmount', (fs: Ext2) => { fs.unmount(); }],
] as const) {
  t.test(`${name} makes everything before it durable, by one flush of the device`, { skip }, (t) => {
    const device = formatted();
    const fs = mount(device, { writeBack: true });
    t.equal(flushes(device, () => { make(fs, 'a'); make(fs, 'b'); fs.unlink(fs.root, Buffer.from('a')); }), 0);
    t.strictSame(survivors(device), []);
    const times = flushes(device, () => { settle(fs); });
    t.ok(times >= 1 && times <= 2, `${times} flushes`);
    t.strictSame(survivors(device), ['b']);
    const after = contentOf(device.afterPowerCut());
    t.equal(Buffer.compare(after, contentOf(device)), 0, 'the medium has all that was stored');
    if (name === 'unmount') t.equal(e2fsck(after), undefined);
    t.equal(flushes(device, () => { if (name !== 'unmount') { using file = fs.open(fs.resolve('/b')); file.fsync(); } }), 0, 'nothing is flushed twice');
    t.end();
  });
}

t.test('the medium says that the filesystem is in use before anything else changes, and clean only after', { skip }, async (t) => {
  const device = formatted();
  const warnings: string[] = [];
  const found = (): number => {
    warnings.length = 0;
    mount(device.afterPowerCut(), { onWarning: (message) => { warnings.push(message); } });
    return warnings.length;
  };
  const fs = mount(device, { writeBack: true });
  t.equal(found(), 1);
  make(fs, 'a');
  await fs.freeze();
  t.equal(found(), 0);
  t.equal(e2fsck(contentOf(device.afterPowerCut())), undefined);
  fs.thaw();
  t.equal(found(), 1);
  fs.unmount();
  t.equal(found(), 0);
  t.strictSame(survivors(device), ['a']);
});

t.test('a file that is opened to write synchronously is durable at each write', { skip }, async (t) => {
  const device = formatted();
  const fs = mount(device, { writeBack: true });
  await using file = fs.open(fs.create(fs.root, 'f'), { sync: true });
  file.writeSync(Buffer.from('first'), 0);
  t.strictSame(survivors(device), ['f']);
  await file.write(Buffer.from('second'), 5000);
  const after = mount(device.afterPowerCut(), SILENT);
  using again = after.open(after.resolve('/f'));
  const bytes = Buffer.alloc(6);
  again.readSync(bytes, 5000);
  t.equal(bytes.toString(), 'second');
});

t.test('a device with another granularity flushes step by step', { skip }, (t) => {
  const device = new RecordingDevice(SIZE, mke2fs({ size: SIZE }));
  const fs = mount(device, { writeBack: true });
  make(fs, 'a');
  t.strictSame(survivors(device), ['a']);
  t.equal(fs.device, device);
  t.end();
});
