// A page that goes away under the process: copies report it, loads and stores of JavaScript survive it.

import { execFileSync } from 'node:child_process';
import t from 'tap';
import { openSync } from 'node-dax';
import { FILE_SIZE, onEveryKind, scratchPath } from '../helpers/devices.js';
import { ON_HOST } from '../helpers/guest.js';

function truncateElsewhere(path: string, size: number): void {
  execFileSync('truncate', ['-s', String(size), path]);
}

const gone = (position: number) => ({ code: 'EIO', reason: 'MEDIA_ERROR', position });

onEveryKind('a file truncated by another process:', async (test, wanted) => {
  if (wanted.kind === 'devdax' || wanted.kind === 'block') {
    test.pass('only files can be truncated');
    return;
  }
  const device = wanted.open();
  device.writeSync(Buffer.alloc(FILE_SIZE, 1), 0);
  truncateElsewhere(wanted.path, 10_000);
  const page = 12_288;
  const target = Buffer.alloc(2 * 1024 * 1024);

  test.equal(device.readSync(target, 100), page - 100, 'a read gives what lies before');
  test.equal(await device.read(target, 100), page - 100);
  test.throws(() => device.readSync(target, page), gone(page));
  test.throws(() => device.readSync(Buffer.alloc(1), page + 5), gone(page + 5));
  await test.rejects(device.read(target, page), gone(page));
  test.equal(device.readvSync([Buffer.alloc(page), Buffer.alloc(1)], 0), page);
  test.throws(() => device.readvSync([Buffer.alloc(1), Buffer.alloc(1)], page), gone(page));

  test.equal(device.writeSync(target, 4096), page - 4096, 'a write what fits before');
  test.equal(await device.write(target, 4096), page - 4096);
  test.throws(() => device.writeSync(Buffer.alloc(1), page), gone(page));
  test.throws(() => device.zeroSync(page, 1), gone(page));
  await test.rejects(device.write(target, page), gone(page));
});

t.test('a buffer that is itself a lost page', ON_HOST, (test) => {
  const lost = scratchPath(test, '/dev/shm');
  const source = openSync(lost, { size: 8192 }).view(0, 8192);
  const device = openSync(scratchPath(test, '/dev/shm'), { size: 8192 });
  truncateElsewhere(lost, 4096);
  test.equal(device.writeSync(source, 0), 4096);
  test.throws(() => device.writeSync(source, 0, { offset: 4096 }), { code: 'EFAULT', reason: 'USER_MEMORY' });
  test.throws(() => device.readSync(source, 0, { offset: 5000 }), { code: 'EFAULT', reason: 'USER_MEMORY' });
  device.closeSync();
  test.end();
});

t.test('loads and stores of JavaScript', ON_HOST, (test) => {
  const path = scratchPath(test, '/dev/shm');
  const device = openSync(path, { size: 300 * 4096 });
  const view = device.view();
  view.fill(1);
  truncateElsewhere(path, 4096);
  let sum = 0;
  for (let pos = 0; pos < view.length; pos += 4096) sum += view[pos] ?? 0;
  test.equal(sum, 1, 'pages that are gone read as zeros');
  view[8192] = 5;
  truncateElsewhere(path, 300 * 4096);
  const target = Buffer.alloc(4096 * 4);
  test.equal(device.readSync(target, 0), 4096, 'and stay lost to this device, even if the file grows again');
  test.throws(() => device.readSync(target, 4096), gone(4096));
  test.throws(() => device.writeSync(target, 4097), gone(4097), 'a write of a part of a page mends nothing');
  test.throws(() => device.writeSync(target, 4096, { length: 4095 }), gone(4096));
  test.throws(() => {
    device.persist(0, 8192);
  }, gone(4096));
  test.throws(() => {
    device.persist(4099, 8192);
  }, gone(4099));
  device.persist(0, 4096);
  test.equal(device.writeSync(target.fill(7), 0, { length: 9000 }), 8192, 'a write of a whole page makes it good (PO-2)');
  test.equal(device.readSync(target.fill(0), 0), 8192);
  test.equal(target[4096], 7);
  test.equal(view[4096], 7, 'for views too');
  device.persist(0, 8192);
  test.equal(device.zeroSync(8192, 4096), 4096, 'zeros are content too (PO-3)');
  test.equal(device.readSync(target, 8192), 4096);
  const again = openSync(path);
  test.equal(again.readSync(target, 4096), target.length, 'opening it again forgets');
  test.equal(again.view(8192, 1)[0], 0, 'no store to a lost page reached the file');
  device.closeSync();
  again.closeSync();
  test.end();
});
