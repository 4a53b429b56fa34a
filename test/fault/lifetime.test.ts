// Ends of mappings, and of threads that look through them, on every kind of device.

import '../helpers/assert-locks.js';
import { setTimeout as delay } from 'node:timers/promises';
import { daxMmap, DaxMapping, freezeSuper, thawSuper } from 'node-dax';
import { FaultWorker } from '../helpers/fault-worker.js';
import { gc } from '../helpers/gc.js';
import { onEveryKindOfGround } from '../helpers/mapped-file.js';

onEveryKindOfGround('a thread that ends takes nothing from others', async (test, ground) => {
  const mapped = ground.holes(4);
  const { page } = ground;
  ground.write(mapped, 0, 1);
  const view = new Uint8Array(ground.map(mapped, { length: page }).buffer);
  for (const way of ['terminate', 'exit', 'unmap'] as const) {
    const worker = await FaultWorker.start(test, mapped.mapping.handle);
    await worker.store(1, 7);
    await worker.store(2 * page, 7);
    if (way === 'terminate') await worker.terminate();
    else if (way === 'unmap') await worker.call('unmap', 0);
    else {
      worker.call('exit', 0).catch(() => undefined);
      await worker.exited;
    }
    test.strictSame([view[0], view[1], ground.media(mapped, 2)[0]], [1, 7, 7], way);
    view[1] = 2;
    test.equal(ground.media(mapped, 0)[1], 2);
  }
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  mapped.mapping.unmap();
  test.strictSame([await worker.load(1), await worker.call('storeAndLoad', 0, 3 * page, 4)], [2, 4], 'nor does the first mapping');
});

onEveryKindOfGround('a buffer whose mapping nobody has any more', async (test, ground) => {
  const { fs, inode, file } = ground.holes(2);
  const take = () => new Uint8Array(daxMmap(inode, {}, fs.operations.getBlock, fs.operations).buffer);
  const [first, second] = [take(), take()];
  for (let round = 0; round < 5; round++) {
    gc();
    await delay(5);
  }
  first[0] = 1;
  await freezeSuper(fs.sb);
  test.equal(first.byteLength, 0, 'is detached where stores would have to wait');
  thawSuper(fs.sb);
  test.equal(second.byteLength, 0);
  const third = take();
  for (let round = 0; round < 5; round++) {
    gc();
    await delay(5);
  }
  file.punchHoleSync(0, ground.page);
  test.equal(third.byteLength, 0, 'and where its blocks go');
});

onEveryKindOfGround('a mapping that is unmapped', async (test, ground) => {
  const mapped = ground.holes(3);
  const { page } = ground;
  ground.write(mapped, 0, 1);
  const { buffer } = mapped.mapping;
  const view = new Uint8Array(buffer);
  test.equal(view[0], 1);
  mapped.mapping.unmap();
  mapped.mapping.unmap();
  test.strictSame([buffer.byteLength, view.byteLength, view[0]], [0, 0, undefined]);
  const closed = { code: 'EBADF' };
  for (const call of [
    () => mapped.mapping.buffer,
    () => { mapped.mapping.flush(); },
    () => { mapped.mapping.drain(); },
    () => { mapped.mapping.persist(); },
    () => { mapped.mapping.prefault(); },
    () => mapped.mapping.faultInfo(),
  ]) test.throws(call, closed);
  {
    using mapping = ground.map(mapped);
    test.equal(new Uint8Array(mapping.buffer)[0], 1);
  }
  const worker = await FaultWorker.start(test, ground.map(mapped).handle);
  await worker.call('unmap', 0);
  await worker.call('unmap', 0);
  await test.rejects(worker.load(0), closed);
  await test.rejects(worker.call('persist', 0), closed);
  // It is in use as long as it is attached anywhere: the file can still be changed.
  mapped.file.truncateSync(page);
  mapped.file.truncateSync(3 * page);
  test.equal(ground.read(mapped, 0), 1);
});

onEveryKindOfGround('a device that is closed under its mappings', async (test, ground) => {
  const mapped = ground.holes(4);
  const { page } = ground;
  ground.write(mapped, 0, 1);
  const view = new Uint8Array(ground.map(mapped, { length: page }).buffer);
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  await worker.load(0);
  await ground.device.close();
  test.equal(await worker.load(0), 1, 'what is mapped stays');
  test.equal(view[0], 1);
  view[1] = 3;
  test.equal(await worker.load(1), 3);
  await worker.store(2 * page, 1);
  test.match(await worker.lost(1), [{ code: 'EBADF', position: 2 * page }], 'what is not cannot be had');
  test.throws(() => ground.map(mapped), { code: 'EBADF' });
  mapped.mapping.unmap();
});

// The thread that would have to answer the fault is the thread that waits for the answer (U-9).
onEveryKindOfGround('a fault of the owner itself is refused at once (U-9)', async (test, ground) => {
  const mapped = ground.holes(4);
  const { page } = ground;
  ground.write(mapped, 0, 1);
  const attached = DaxMapping.attach(mapped.mapping.handle);
  const told: unknown[] = [];
  attached.on('error', (error) => told.push(error));
  const bytes = new Uint8Array(attached.buffer);
  test.equal(bytes[0], 1, 'what is known needs no answer');
  test.equal(bytes[page], 0);
  bytes[2 * page] = 9;
  while (told.length < 2) await delay(1);
  test.match(told, [
    { code: 'EDEADLK', reason: 'OWNER_THREAD', position: page, message: /mapping\.buffer/ },
    { code: 'EDEADLK', reason: 'OWNER_THREAD', position: 2 * page },
  ]);
  test.ok(ground.isHole(mapped, 2));
  test.throws(() => { attached.persist(2 * page, 1); }, { code: 'EIO', position: 2 * page });
  test.throws(() => { attached.persist(); }, { code: 'EIO', position: page }, 'the first of those that were lost');
  test.throws(() => { attached.persist(page + 1, page); }, { code: 'EIO', position: page + 1 });
  test.throws(() => { attached.persist(page + 1); }, { code: 'EIO', position: page + 1 });
  test.throws(() => { attached.flush(page + 1); }, { code: 'EIO', syscall: 'flush', position: page + 1 });
  test.doesNotThrow(() => { attached.flush(0, page); }, 'a part of which nothing was lost');
  test.doesNotThrow(() => { attached.drain(); });
  // Its own copies in and out are touches as well.
  test.throws(() => mapped.file.writeSync(bytes.subarray(3 * page), 0), { code: 'EFAULT' });
  attached.unmap();
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  test.equal(await worker.call('storeAndLoad', 0, 2 * page, 9), 9, 'another thread is served');
});

onEveryKindOfGround('a getBlock that touches the mapping is not made to wait for itself (U-9)', async (test, ground) => {
  const mapped = ground.holes(4);
  const { page } = ground;
  const attached = DaxMapping.attach(mapped.mapping.handle);
  attached.on('error', () => undefined);
  const bytes = new Uint8Array(attached.buffer);
  const seen: unknown[] = [];
  mapped.fs.onGetBlock = (_inode, _iblock, _bh, create) => {
    if (create) seen.push(bytes[3 * page]);
    return undefined;
  };
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  test.equal(await worker.call('storeAndLoad', 0, page, 9), 9);
  test.strictSame(seen, [0]);
  attached.unmap();
});

onEveryKindOfGround('a mapping that its owner has unmapped is attached no more', async (test, ground) => {
  const mapped = ground.holes(2);
  ground.write(mapped, 0, 1);
  const { handle } = mapped.mapping;
  const worker = await FaultWorker.start(test, handle);
  test.equal(await worker.load(0), 1);
  mapped.mapping.unmap();
  test.throws(() => DaxMapping.attach(handle), { code: 'ESTALE' });
  test.equal(await worker.load(1), 1, 'who was attached goes on');
  mapped.file.truncateSync(0);
  test.equal(await worker.load(0), 0, 'and sees what becomes of the file');
  await worker.call('unmap', 0);
  test.throws(() => DaxMapping.attach(handle), { code: 'ESTALE' });
  mapped.file.truncateSync(ground.page);
  ground.write(mapped, 0, 2);
  const again = ground.map(mapped, {});
  test.equal(new Uint8Array(again.buffer)[0], 2);
  DaxMapping.attach(again.handle).unmap();
});
