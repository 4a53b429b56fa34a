// Code that lies in node-dax/fs: a module that is compiled is a copy, and an addon is loaded once it is in a file of the kernel's.

import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import Module from 'node:module';
import { join } from 'node:path';
import t from 'tap';
import { openScratch } from 'node-dax';
import { mkfsSync, mount } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { scratchPath } from '../helpers/devices.js';

const ADDON = join(__dirname, '..', '..', '..', 'build', 'Release', 'node_dax.node');

function compiled(name: string, source: string): { say(): string } {
  const module = new Module(name) as Module & { _compile(source: string, name: string): void };
  module._compile(source, name);
  return module.exports as { say(): string };
}

t.test('a module stays what it was when it was compiled, whatever becomes of its text', async (test) => {
  const device = openScratch(16 * 1024 * 1024);
  mkfsSync(device);
  const ext2 = mount(device);
  const fs = createFs(ext2);
  fs.writeFileSync('/m.cjs', "exports.say = () => 'first';");
  const first = compiled('/m.cjs', fs.readFileSync('/m.cjs', 'utf8'));
  fs.writeFileSync('/m.cjs', "exports.say = () => 'later';");
  test.equal(first.say(), 'first');
  test.equal(compiled('/m.cjs', fs.readFileSync('/m.cjs', 'utf8')).say(), 'later');
  ext2.unmount();
  await device.close();
});

t.test('an addon is loaded once it is written to a file of the kernel, and not from the image', async (test) => {
  const device = openScratch(16 * 1024 * 1024);
  mkfsSync(device);
  const ext2 = mount(device);
  const fs = createFs(ext2);
  fs.writeFileSync('/addon.node', readFileSync(ADDON));
  test.throws(() => { process.dlopen(new Module('addon'), '/addon.node'); }, { code: 'ERR_DLOPEN_FAILED' });
  const path = scratchPath(test);
  writeFileSync(path, fs.readFileSync('/addon.node'));
  const script = 'const m = { exports: {} }; process.dlopen(m, process.argv[1]); console.log(Object.keys(m.exports).length > 0)';
  test.equal(execFileSync(process.execPath, ['-e', script, path], { encoding: 'utf8' }).trim(), 'true');
  rmSync(path);
  ext2.unmount();
  await device.close();
});
