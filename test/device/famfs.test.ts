// famfs on every kind of device that has room for one: made, filled, striped, mapped, followed and mounted again.

import '../helpers/assert-locks.js';
import { openSync, PROT_READ } from 'node-dax';
import { mkfsFamfs, mountFamfs } from 'node-dax/famfs';
import { createFs } from 'node-dax/fs';
import { onEveryKind } from '../helpers/devices.js';
import { contentOf } from '../helpers/famfs-content.js';
import { MIB, systemUuidFile } from '../helpers/famfs-image.js';

// A log, and four units.
const LEAST = 18 * MIB;
const SIZE = 3 * MIB + 77;

onEveryKind('a famfs', (test, wanted) => {
  const device = wanted.open();
  if (device.kind === 'file' || device.kind === 'fsdax') device.truncateSync(Math.max(device.size, LEAST));
  const systemUuid = systemUuidFile(test);
  if (device.size < LEAST) {
    test.throws(() => mkfsFamfs(device, { systemUuidFile: systemUuid, force: true }), { code: 'ENOSPC' });
    return;
  }
  mkfsFamfs(device, { systemUuidFile: systemUuid, force: true });
  const reader = openSync(wanted.path, { ...wanted.needed, readOnly: true });
  const client = mountFamfs(reader, { systemUuidFile: '/no/such/file' });
  const master = mountFamfs(device, { systemUuidFile: systemUuid });
  const content = Buffer.alloc(SIZE, 'famfs in seven words. ');
  master.mkdir('d');
  master.create('d/striped', SIZE, { stripes: 2, fill: (file) => { file.writeSync(content, 0); } });
  test.strictSame(client.refresh().map(({ path }) => path), ['/d', '/d/striped']);
  test.equal(client.damage, undefined);
  test.equal(client.persistent, device.persistent);
  client.flush('d/striped');
  test.ok(contentOf(client, client.resolve('d/striped')).equals(content), 'by read');
  test.ok((createFs(client).readFileSync('/d/striped') as Buffer).equals(content), 'by the facade');
  const file = client.open('d/striped', { readOnly: true });
  try {
    const mapping = file.mmap({ prot: PROT_READ, length: SIZE });
    test.ok(Buffer.from(mapping.buffer, 0, SIZE).equals(content), 'by a mapping');
    mapping.unmap();
  } catch (error) {
    // What has no pages of its own cannot be mapped.
    test.match(error, { code: 'EOPNOTSUPP' });
  }
  file.closeSync();
  const again = mountFamfs(device, { systemUuidFile: systemUuid });
  test.equal(again.entries, 2);
  for (const famfs of [client, master, again]) famfs.unmount();
  reader.closeSync();
});
