// One inode that cannot be read hides no other name of its directory: each command that goes through one tells of it, and goes on.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openSync } from 'node-dax';
import { mount } from 'node-dax/ext2';
import { cli, ranHere } from '../helpers/cli.js';
import { debugfsDoes, makeImage } from '../helpers/ext2-command.js';
import { e2fsprogsMissing } from '../helpers/ext2-image.js';

const missing = e2fsprogsMissing();

// What is wrong with /dir/bad.
const DAMAGES = [
  ['a type that is none', 'sif /dir/bad mode 0x3180'],
  ['blocks that it cannot have, and no link', 'sif /dir/bad links_count 0'],
] as const;

for (const [what, request] of DAMAGES) {
  t.test(what, { skip: missing ?? false }, async (test) => {
    const image = makeImage(test);
    {
      using device = openSync(image);
      using fs = mount(device);
      const dir = fs.mkdir(fs.root, 'dir');
      for (const name of ['a', 'bad', 'c', 'sub', 'z']) {
        if (name === 'sub') fs.create(fs.mkdir(dir, name), 'inner');
        else fs.create(dir, name);
      }
    }
    debugfsDoes(image, [request]);
    const before = readFileSync(image);
    const told = new RegExp(`^node-dax: EUCLEAN: [^\\n]*'${image}:/?dir/bad'[^\\n]*\\n$`);
    test.match(cli('ext2', 'ls', image, 'dir'), { status: 0, stdout: 'a\nbad\nc\nsub\nz\n', stderr: '' });
    const long = cli('ext2', 'ls', '-l', image, '/dir');
    test.match(long, { status: 1, stderr: told });
    test.strictSame(long.stdout.trimEnd().split('\n').map((line) => line.split(/ +/).at(-1)), ['a', 'bad', 'c', 'sub', 'z']);
    test.match(long.stdout, /^\?{10}( +\?){5} +bad$/m);
    const json = cli('ext2', 'ls', '--json', image, 'dir');
    test.match(json, { status: 1, stderr: told });
    const entries = JSON.parse(json.stdout) as { name: string; ino: number; size?: number }[];
    test.strictSame(entries.map(({ name, size }) => [name, typeof size]), [['a', 'number'], ['bad', 'undefined'], ['c', 'number'], ['sub', 'number'], ['z', 'number']]);
    test.ok(entries.every(({ ino }) => ino > 10));
    test.match(cli('ext2', 'tree', image, 'dir'), { status: 1, stderr: told, stdout: /├── a\n├── bad\n├── c\n├── sub\n│ {3}└── inner\n└── z\n/ });
    test.match(cli('ext2', 'tree', '--json', image, 'dir'), { status: 1, stderr: told, stdout: /inner/ });
    test.match(cli('ext2', 'stat', image, 'dir/bad', 'dir/z'), { status: 1, stderr: told, stdout: /File: dir\/z/ });
    const out = test.testdir({});
    test.match(await ranHere('get', '-r', image, '/dir', join(out, 'got')), { status: 1, stderr: told });
    test.strictSame(readdirSync(join(out, 'got'), { recursive: true }).map(String).sort(), ['a', 'c', 'sub', 'sub/inner', 'z']);
    test.ok(readFileSync(image).equals(before), 'nothing was written');
  });
}
