// A client stores nothing: whatever it does, none of its mapped pages was stored to. If hosts share memory, a line that a reader
// stored to would destroy what the master writes.

import { closeSync, fdatasyncSync, mkdtempSync, openSync as openFile, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openSync, PROT_READ, type DaxDevice } from 'node-dax';
import { mkfsFamfs, mountFamfs } from 'node-dax/famfs';
import { contentOf } from '../helpers/famfs-content.js';
import { MIB, systemUuidFile } from '../helpers/famfs-image.js';

const SIZE = 5 * MIB;

interface Mapped {
  /** Of all mappings of a file by this process, such as `r--s`. */
  readonly permissions: Set<string>;
  /** KiB of them that the processor or the kernel knows to have been stored to, and that were read. */
  readonly dirty: number;
  readonly present: number;
}

function mappingsOf(path: string): Mapped {
  const permissions = new Set<string>();
  const sizes = { dirty: 0, present: 0 };
  let isOurs = false;
  for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
    const head = /^[0-9a-f]+-[0-9a-f]+ (\S{4}) \S+ \S+ \d+ +(.*)$/.exec(line);
    if (head !== null) {
      isOurs = head[2] === path;
      if (isOurs) permissions.add(head[1] as string);
    }
    const [, name = '', kib = ''] = /^(Shared_Dirty|Private_Dirty|Rss): +(\d+) kB$/.exec(line) ?? [];
    if (isOurs && name !== '') sizes[name === 'Rss' ? 'present' : 'dirty'] += Number(kib);
  }
  return { permissions, ...sizes };
}

// A famfs with a striped file, whose pages are all on the disk.
function memoryOnDisk(test: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'node-dax-famfs-'));
  test.teardown(() => { rmSync(folder, { recursive: true }); });
  const path = join(folder, 'memory');
  const uuidFile = systemUuidFile(test);
  writeFileSync(path, '');
  truncateSync(path, 32 * MIB);
  const device = openSync(path);
  mkfsFamfs(device, { systemUuidFile: uuidFile });
  const master = mountFamfs(device, { systemUuidFile: uuidFile });
  master.create('striped', SIZE, { stripes: 2, fill: (file) => { file.writeSync(Buffer.alloc(SIZE, 'shared '), 0); } });
  master.unmount();
  device.closeSync();
  const fd = openFile(path, 'r');
  fdatasyncSync(fd);
  closeSync(fd);
  return path;
}

function useAsClient(test: Test, device: DaxDevice): void {
  const client = mountFamfs(device, { systemUuidFile: '/no/such/file' });
  test.equal(client.role, 'client');
  const inode = client.resolve('striped');
  const content = Buffer.alloc(SIZE, 'shared ');
  test.ok(contentOf(client, inode).equals(content));
  client.flush(inode);
  device.invalidate(0, device.size);
  test.strictSame(client.refresh(), []);
  const file = client.open(inode, { readOnly: true });
  const mapping = file.mmap({ prot: PROT_READ });
  test.ok(Buffer.from(mapping.buffer, 0, SIZE).equals(content));
  client.flush(inode);
  mapping.unmap();
  file.closeSync();
  client.unmount();
}

for (const readOnly of [true, false]) {
  t.test(`a client stores nothing to a device that was opened ${readOnly ? 'to be read' : 'to be written'}`, (test) => {
    const path = memoryOnDisk(test);
    const device = openSync(path, { readOnly });
    test.teardown(() => device.close());
    Buffer.from(device.view(0, 4096)); // The first pages are mapped.
    if (mappingsOf(path).dirty > 0) {
      test.pass('no page is stored to', { skip: `pages of files in ${tmpdir()} count as dirty, whatever was done to them` });
      test.end();
      return;
    }
    // The kernel notes the first store to a page, even if the page was written back since.
    const changed = (): bigint => statSync(path, { bigint: true }).mtimeNs;
    const before = changed();
    useAsClient(test, device);
    const { permissions, dirty, present } = mappingsOf(path);
    if (readOnly) test.notOk(permissions.has('rw-s'), [...permissions].join());
    test.ok(present * 1024 > SIZE, `${present} KiB were looked at`);
    test.strictSame([dirty, changed()], [0, before]);
    if (!readOnly) {
      device.writeSync(Buffer.from('a store is seen'), 30 * MIB, { flush: false });
      test.ok(mappingsOf(path).dirty > 0);
      test.not(changed(), before);
    }
    test.end();
  });
}
