// The dependency rules fail for what they forbid: eslint.layers.js and scripts/lint-layers.mjs.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Linter } from 'eslint';
import t, { type Test } from 'tap';
import tseslint from 'typescript-eslint';

const root = join(__dirname, '..', '..');
const SCRIPT = join(root, 'scripts', 'lint-layers.mjs');

/** What eslint.layers.js says about a file of that name and content. */
function importRules(filename: string, code: string): string[] {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- the configuration is CommonJS without types
  const layers = require(join(root, 'eslint.layers.js')) as Linter.Config[];
  const config = [{ files: ['**/*.ts'], languageOptions: { parser: tseslint.parser as Linter.Parser } }, ...layers];
  return new Linter({ configType: 'flat' }).verify(code, config, { filename }).map(({ message }) => message);
}

t.test('arrows that are refused', (t) => {
  const refused: [string, string, string][] = [
    ['src knows no lib', 'src/device/open.ts', "import { mount } from '../lib/ext2/index.js';"],
    ['src knows no lib, from a folder', 'src/discovery/list.ts', "export { runVm } from '../../lib/vm/index.js';"],
    ['src does not import itself by its public name', 'src/device/open.ts', "import { open } from 'node-dax';"],
    ['src/binding.ts too', 'src/binding.ts', "import { open } from '../lib/cli/main.js';"],
    ['lib does not reach into src', 'lib/ext2/space/super.ts', "import { addon } from '../../src/binding.js';"],
    ['lib does not reach into src for a type', 'lib/ext2/space/super.ts', "import type { Addon } from '../../src/binding.js';"],
    ['lib does not reach into dist', 'lib/ext2/space/super.ts', "import { addon } from '../../dist/src/binding.js';"],
    ['lib/cli does not reach into src', 'lib/cli/main.ts', "import { open } from '../../src/open.js';"],
    ['nor out of lib at all', 'lib/cli/main.ts', "import { seed } from '../../test/helpers/seed.js';"],
    ['nor from a folder', 'lib/cli/log/info.ts', "import { seed } from '../../../test/helpers/seed.js';"],
    ['no folder of lib imports the one beside it', 'lib/fs/index.ts', "import { mount } from '../ext2/index.js';"],
    ['node-dax/fs knows no ext2', 'lib/fs/index.ts', "import { FT } from 'node-dax/ext2';"],
    ['nor does a room of it', 'lib/fs/tree/stats.ts', "import { FT } from 'node-dax/ext2';"],
    ['nor by path', 'lib/fs/tree/stats.ts', "import { mount } from '../../ext2/index.js';"],
    ['nor does node-dax/vfs', 'lib/vfs/index.ts', "import { FT } from 'node-dax/ext2';"],
    ['which takes node-dax/fs by its name', 'lib/vfs/index.ts', "import { createFs } from '../fs/index.js';"],
    ['the addon is loaded in one place', 'src/device/open.ts', "import bindings from 'bindings';"],
    ['not in lib', 'lib/vm/run.ts', "import bindings from 'bindings';"],
    ['not by path', 'src/device/open.ts', "const addon = require('../build/Release/node_dax.node');"],
    ['not with a require made for it', 'src/device/open.ts', "const addon = nodeRequire('../build/Release/node_dax.node');"],
    ['not by dlopen', 'src/device/open.ts', "process.dlopen(module, path);"],
    ['not by import()', 'lib/vm/run.ts', "const addon = await import('bindings');"],
    ['nor is src', 'lib/ext2/space/super.ts', "const { open } = await import('../../src/open.js');"],
    ['nor the type of an import', 'lib/ext2/space/super.ts', "let device: import('../../src/device.js').DaxDevice;"],
    ['nor by import =', 'lib/ext2/space/super.ts', "import device = require('../../src/device.js');"],
  ];
  for (const [name, filename, code] of refused) {
    t.not(importRules(filename, code).length, 0, `${name}: ${filename}: ${code}`);
  }
  t.end();
});

t.test('arrows that are meant', (t) => {
  const meant: [string, string][] = [
    ['src/binding.ts', "import bindings from 'bindings';"],
    ['src/device/open.ts', "import { addon } from './binding.js';"],
    ['src/discovery/list.ts', "import { DaxError } from '../errors.js';"],
    ['lib/ext2/space/super.ts', "import { DaxError } from 'node-dax';"],
    ['lib/ext2/space/super.ts', "import { balloc } from './balloc.js';"],
    ['lib/fs/open/dir.ts', "import { direntOf } from '../tree/stats.js';"],
    ['lib/vfs/index.ts', "import { createFs } from 'node-dax/fs';"],
    ['lib/demo/ext2.ts', "import { mount } from 'node-dax/ext2';"],
    ['lib/cli/vm/index.ts', "import { runVm } from '../../vm/index.js';"],
    ['lib/cli/log/info.ts', "import { mkfs } from '../../ext2/index.js';"],
  ];
  for (const [filename, code] of meant) {
    t.strictSame(importRules(filename, code), [], `${filename}: ${code}`);
  }
  t.end();
});

/** The violations that the script finds in a tree of these files. */
async function scriptRules(t: Test, files: Record<string, string>): Promise<string[]> {
  const tree = t.testdir();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(tree, dirname(name)), { recursive: true });
    writeFileSync(join(tree, name), content);
  }
  const { violationsIn } = (await import(pathToFileURL(SCRIPT).href)) as { violationsIn: (root: string) => string[] };
  return violationsIn(tree);
}

t.test('native code in the wrong room', async (t) => {
  const misplaced: [string, string][] = [
    ['native/device/mapping.cc', '#include <napi.h>'],
    ['native/device/source.h', '#include "node_api.h"'],
    ['native/sigbus/guarded_copy.cc', '#include <uv.h>'],
    ['native/napi/dax_device.cc', 'void* p = mmap(nullptr, 1, 0, 0, fd, 0);'],
    ['native/napi/args.cc', 'int r = ::munmap (p, 1);'],
    ['native/napi/fault_functions.cc', 'msync(p, 1, MS_SYNC);'],
    ['native/napi/addon.cc', 'const char* url = "https://"; mremap(p, 1, 2, 0);'],
    ['native/napi/leased_memory.cc', 'ioctl(fd, BLKGETSIZE64, &size);'],
    ['native/persist/persist.cc', '_mm_clflush(p);'],
    ['native/persist/persist.h', 'inline void F(char* p) { asm volatile("clwb %0" : "+m"(*p)); }'],
    ['native/device/mapping.cc', 'asm volatile("\\n\\tclflushopt %0" : "+m"(*p));'],
    ['native/persist/persist_generic.cc', 'asm volatile("dc cvac, %0" : : "r"(p));'],
    ['native/persist/persist_generic.cc', 'asm volatile("dc civac, %0" : : "r"(p));'],
    ['native/device/mapping.cc', 'asm volatile("sys #3, c7, c12, #1, %0" : : "r"(p));'],
  ];
  const files: Record<string, string> = {};
  const expected = misplaced.map(([file, code]) => {
    const text = `${files[file] ?? '/* mmap(\n */\n'}${code}\n`;
    files[file] = text;
    return `${file}:${text.split('\n').length - 1}`;
  });
  const lines = await scriptRules(t, files);
  const places = lines.map((line) => line.split(':', 2).join(':'));
  for (const place of expected) t.ok(places.includes(place), `${place}: ${files[place.split(':')[0] ?? ''] ?? ''}`);
  t.equal(places.length, expected.length, lines.join('\n'));
});

t.test('native code in its place', async (t) => {
  const lines = await scriptRules(t, {
    'native/napi/dax_device.cc': '#include <napi.h>\n#include "napi/args.h"\n// Never mmap() here.\nmapping->Unmap();\n',
    'native/napi/args.h': '#include <napi.h>\n',
    'native/device/mapping.cc': '#include "device/source.h"\n/* clwb %0 */ mmap(nullptr, 1, 0, 0, fd, 0);\n',
    'native/device/source.h': '#include "persist/persist.h"\n',
    'native/persist/persist.h': '#pragma once\n',
    'native/persist/persist_x86_64.cc': 'asm volatile("clwb %0" : "+m"(*p));\n_mm_clflush(p);\n',
    'native/persist/persist.cc': 'const char* name = "clwb";\n',
  });
  t.strictSame(lines, []);
});

// Each room with one that it may not import: [from, to], both files of the tree.
const WRONG_ARROWS = [
  ['src/locks/rw-lock.ts', 'src/discovery/list.ts'],
  ['src/discovery/list.ts', 'src/device/device.ts'],
  ['src/device/device.ts', 'src/driver/driver.ts'],
  ['src/driver/driver.ts', 'src/inode/inode.ts'],
  ['src/device/device.ts', 'src/inode/inode.ts'],
  ['src/inode/inode.ts', 'src/io/dax-io.ts'],
  ['src/io/dax-io.ts', 'src/mmap/dax-fault.ts'],
  ['src/mmap/dax-fault.ts', 'src/io/dax-io.ts'],
  ['src/file/dax-file.ts', 'src/discovery/list.ts'],
  ['src/errors.ts', 'src/device/device.ts'],
  ['src/device/device.ts', 'src/index.ts'],
  ['lib/ext2/format/disk.ts', 'lib/ext2/space/super.ts'],
  ['lib/ext2/space/super.ts', 'lib/ext2/inode/inode.ts'],
  ['lib/ext2/inode/inode.ts', 'lib/ext2/volume/volume.ts'],
  ['lib/ext2/volume/volume.ts', 'lib/ext2/xattr/xattr.ts'],
  ['lib/ext2/xattr/xattr.ts', 'lib/ext2/names/namei.ts'],
  ['lib/ext2/names/namei.ts', 'lib/ext2/files/file.ts'],
  ['lib/ext2/files/file.ts', 'lib/ext2/names/namei.ts'],
  ['lib/ext2/check/check.ts', 'lib/ext2/volume/volume.ts'],
  ['lib/ext2/mkfs/mkfs.ts', 'lib/ext2/volume/volume.ts'],
  ['lib/ext2/names/namei.ts', 'lib/ext2/mount.ts'],
  ['src/discovery/system/look.ts', 'src/discovery/devices/block.ts'],
  ['src/discovery/devices/block.ts', 'src/discovery/use/content.ts'],
  ['src/discovery/use/content.ts', 'src/discovery/diagnosis/doctor.ts'],
  ['src/discovery/diagnosis/doctor.ts', 'src/discovery/use/content.ts'],
  ['lib/bench/jobs/job.ts', 'lib/bench/drivers/driver.ts'],
  ['lib/bench/drivers/driver.ts', 'lib/bench/trials/figures.ts'],
  ['lib/bench/machine/machine.ts', 'lib/bench/drivers/driver.ts'],
  ['lib/bench/trials/figures.ts', 'lib/bench/report/report.ts'],
  ['lib/bench/report/report.ts', 'lib/bench/run.ts'],
  ['lib/testkit/device/trace.ts', 'lib/testkit/crash/choices.ts'],
  ['lib/testkit/crash/choices.ts', 'lib/testkit/filesystem/session.ts'],
  ['lib/testkit/filesystem/session.ts', 'lib/testkit/runs/fsx.ts'],
  ['lib/testkit/probes/probe-blocks.ts', 'lib/testkit/runs/fsx.ts'],
  ['lib/testkit/runs/fsx.ts', 'lib/testkit/driver/driver-session.ts'],
  ['lib/testkit/driver/driver-session.ts', 'lib/testkit/crash/choices.ts'],
  ['lib/cli/ext2/image/image.ts', 'lib/cli/ext2/showing/ls.ts'],
  ['lib/cli/ext2/showing/ls.ts', 'lib/cli/ext2/copying/put.ts'],
  ['lib/cli/ext2/copying/put.ts', 'lib/cli/ext2/showing/ls.ts'],
  ['lib/cli/ext2/changing/mkfs.ts', 'lib/cli/ext2/copying/put.ts'],
  ['lib/cli/famfs/show.ts', 'lib/cli/ext2/image/image.ts'],
  ['lib/cli/log/cat.ts', 'lib/cli/trees/names.ts'],
  ['lib/cli/trees/mode.ts', 'lib/cli/ext2/image/image.ts'],
  ['lib/fs/arguments/arguments.ts', 'lib/fs/errors/failure.ts'],
  ['lib/fs/errors/failure.ts', 'lib/fs/tree/tree.ts'],
  ['lib/fs/tree/tree.ts', 'lib/fs/open/open-files.ts'],
  ['lib/fs/watch/watch.ts', 'lib/fs/open/open-files.ts'],
  ['lib/fs/open/open-files.ts', 'lib/fs/calls/sync-calls.ts'],
  ['lib/fs/calls/sync-calls.ts', 'lib/fs/forms/forms.ts'],
  ['lib/fs/forms/forms.ts', 'lib/fs/calls/sync-calls.ts'],
  ['lib/fs/contract.ts', 'lib/fs/arguments/arguments.ts'],
  ['lib/fs/calls/sync-calls.ts', 'lib/fs/facade.ts'],
  ['native/persist/persist.cc', 'native/device/source.h'],
  ['native/sigbus/guarded_copy.cc', 'native/persist/persist.h'],
  ['native/device/source.h', 'native/fault/fault_file.h'],
  ['native/fault/fault_file.h', 'native/napi/args.h'],
] as const;

t.test('arrows from room to room', async (t) => {
  const files: Record<string, string> = {};
  for (const [, to] of WRONG_ARROWS) files[to] = '';
  for (const [from, to] of WRONG_ARROWS) {
    const path = relative(dirname(from), to).replace(/\.ts$/, '.js');
    const line = from.endsWith('.ts') ? `import type { X } from '${path.startsWith('.') ? path : `./${path}`}';` : `#include "${relative('native', to)}"`;
    files[from] = `${files[from] ?? ''}${line}\n`;
  }
  const lines = await scriptRules(t, files);
  for (const [from, to] of WRONG_ARROWS) t.ok(lines.some((line) => line.startsWith(`${from} → ${to}: a wrong arrow`)), `${from} → ${to}`);
  t.equal(lines.filter((line) => line.includes('a wrong arrow')).length, WRONG_ARROWS.length);
});

t.test('a room that nobody knows', async (t) => {
  const lines = await scriptRules(t, { 'src/things/thing.ts': '' });
  t.match(lines, ['src/things/thing.ts: src/ has no room things']);
});

t.test('cycles of imports', async (t) => {
  const lines = await scriptRules(t, {
    'src/device/device.ts': "import { list } from './partition.js';",
    'src/device/partition.ts': "import type { DaxDevice } from './open.js';",
    'src/device/open.ts': "export { DaxDevice } from './device.js';",
    'src/errors.ts': "import { inspect } from 'node:util';",
    'lib/fs/index.ts': "import { a } from './facade.js';",
    'lib/fs/facade.ts': "import type { B } from './index.js';",
  });
  t.strictSame(lines, [
    'src/device/device.ts → src/device/partition.ts → src/device/open.ts → src/device/device.ts: a cycle of imports',
    'lib/fs/facade.ts → lib/fs/index.ts → lib/fs/facade.ts: a cycle of imports',
  ]);
});

t.test('the tree as it is, and the exit status of the script', (t) => {
  const ran = (tree: string) => spawnSync(process.execPath, [SCRIPT, tree], { encoding: 'utf8' });
  const { status, stderr } = ran(root);
  t.strictSame({ status, stderr }, { status: 0, stderr: '' });
  t.match(ran(t.testdir({ src: { things: { 'thing.ts': '' } } })), { status: 1, stderr: /^src\/things\/thing\.ts: src\/ has no room things/ });
  t.end();
});
