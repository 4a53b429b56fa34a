// Commands on one ext2 image at the same time: who changes it is alone with it, and the first loses nothing.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { openSync } from 'node-dax';
import { ext2Here, MAIN } from '../helpers/cli.js';
import { scratchPath } from '../helpers/devices.js';
import { checkImage, ext2, fine, makeImage } from '../helpers/ext2-command.js';

const REFUSED = /^node-dax: EBUSY: .*locked.*lslocks/;
const WRITERS = 4;

async function put(image: string, source: string, name: string) {
  const child = spawn(process.execPath, [MAIN, 'ext2', 'put', image, source, name], { stdio: ['ignore', 'ignore', 'pipe'] });
  const stderr = child.stderr.toArray();
  const [status] = (await once(child, 'close')) as [number | null];
  return { name, status, stderr: Buffer.concat((await stderr) as Buffer[]).toString() };
}

t.test('who comes second is told so', async (test) => {
  const image = makeImage(test);
  const before = readFileSync(image);
  {
    using reader = openSync(image, { readOnly: true, lock: true });
    test.ok(reader.isOpen);
    test.equal(fine(test, 'ls', image), 'lost+found\n', 'those who read share it');
    test.match(ext2('mkdir', image, 'dir'), { status: 1, stderr: REFUSED });
    await test.rejects(ext2Here('mkfs', '--force', image), { code: 'EBUSY' }, 'whatever is forced');
  }
  {
    using writer = openSync(image, { lock: true });
    test.ok(writer.isOpen);
    test.match(ext2('ls', image), { status: 1, stderr: REFUSED });
    await test.rejects(ext2Here('check', image), { code: 'EBUSY' });
  }
  test.ok(readFileSync(image).equals(before));
  await ext2Here('mkdir', image, 'dir');
});

t.test('many who write at once', async (test) => {
  const image = makeImage(test);
  const source = scratchPath(test);
  const content = Buffer.alloc(200_000, 'content ');
  writeFileSync(source, content);
  const results = await Promise.all(Array.from({ length: WRITERS }, (_, index) => put(image, source, `file${index}`)));
  const done = results.filter(({ status }) => status === 0).map(({ name }) => name);
  test.ok(done.length > 0, `${done.length} of ${WRITERS} came first`);
  for (const { status, stderr } of results) test.match({ status, stderr }, status === 0 ? { stderr: '' } : { status: 1, stderr: REFUSED });
  test.equal(fine(test, 'ls', image), [...done, 'lost+found'].sort().map((name) => `${name}\n`).join(''));
  test.ok(ext2('cat', image, ...done).bytes.equals(Buffer.concat(done.map(() => content))), 'they have what was put');
  checkImage(test, image);
});
