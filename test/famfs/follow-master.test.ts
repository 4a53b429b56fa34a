// What keeps a mount from following the master of its famfs: what passes, and what does not.

import { once, EventEmitter } from 'node:events';
import t from 'tap';
import { DaxError } from 'node-dax';
import { mkfsFamfs, mountFamfs } from 'node-dax/famfs';
import { MemoryDevice } from 'node-dax/testkit';
import { followMaster } from '../../lib/cli/mount/follow-master.js';
import { MIB, systemUuidFile } from '../helpers/famfs-image.js';

/** A device whose first page cannot be read while `isBad`. */
class Failing extends MemoryDevice {
  isBad = false;

  override readSync(...[target, pos, options]: Parameters<MemoryDevice['readSync']>): number {
    if (this.isBad && Number(pos) < 4096) throw new DaxError({ errno: 'EIO', syscall: 'read', reason: 'MEDIA_ERROR' });
    return super.readSync(target, pos, options);
  }
}

t.test('following goes on after a page could not be read, and ends with a new famfs', async (test) => {
  const memory = Buffer.alloc(40 * MIB);
  const host = { systemUuidFile: systemUuidFile(test) };
  mkfsFamfs(new MemoryDevice(memory), host);
  const master = mountFamfs(new MemoryDevice(memory), host);
  const device = new Failing(memory);
  const client = mountFamfs(device, { ...host, readOnly: true });
  const events = new EventEmitter();
  let messages = 0;
  const stop = followMaster(client, (message) => {
    messages++;
    events.emit('told', message);
  });
  test.teardown(stop);
  client.watchChanges(() => events.emit('changed'));

  device.isBad = true;
  const told = await once(events, 'told') as [string];
  test.match(told[0], /EIO.*the superblock cannot be read.*it is tried again/);
  test.throws(() => client.refresh(), { code: 'EIO' });
  device.isBad = false;
  const changed = once(events, 'changed');
  master.mkdir('d');
  await changed;
  test.equal(client.resolve('d').isDirectory, true);
  test.equal(messages, 1, 'the error was told once');

  const ended = once(events, 'told') as Promise<[string]>;
  mkfsFamfs(new MemoryDevice(memory), { ...host, force: true });
  test.match((await ended)[0], /ESTALE.*is not shown/);
});
