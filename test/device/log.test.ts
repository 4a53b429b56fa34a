// A log on every kind of device: made, appended to, read beside its writer, truncated, and opened again.

import { openSync } from 'node-dax';
import { openLog } from 'node-dax/log';
import { onEveryDevice } from '../helpers/devices.js';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

onEveryDevice('a log on', async (test, wanted) => {
  const device = wanted.open();
  const log = openLog(device, { create: true, force: true });
  test.equal(log.info().persistent, device.persistent);
  const first = log.append(Buffer.from('one'));
  log.appendv([Buffer.from('tw'), Buffer.from('o')]);
  const [third] = log.appendMany([Buffer.from('three'), Buffer.alloc(0)]) as [number];
  const big = Buffer.alloc(300_000, 'x');
  log.append(big);
  test.strictSame([...log.records()].map(({ bytes }) => bytes.length), [3, 3, 5, 0, 300_000]);

  const reader = openLog(openSync(wanted.path, { readOnly: true }), { readOnly: true });
  test.teardown(() => { (reader.device as ReturnType<typeof openSync>).closeSync(); });
  test.strictSame([...reader.records(first, { copy: true })].slice(0, 3).map(({ bytes }) => text(bytes)), ['one', 'two', 'three']);
  test.throws(() => reader.append(big), { code: 'EROFS', reason: 'READ_ONLY' });
  const ending = new AbortController();
  const found: string[] = [];
  const following = (async () => {
    for await (const { bytes } of reader.follow(ending.signal)) {
      found.push(text(bytes));
      if (found.length === 2) ending.abort();
    }
  })();
  log.append(Buffer.from('six'));
  await new Promise((resolve) => setTimeout(resolve, 1));
  log.append(Buffer.from('seven'));
  await following;
  test.strictSame(found, ['six', 'seven'], 'a reader follows');

  log.truncateBefore(third);
  test.throws(() => [...reader.records(first)], { code: 'ESTALE', reason: 'LOG_OVERTAKEN' });
  test.strictSame([...reader.records()].map(({ sequence }) => sequence), [3, 4, 5, 6, 7]);
  const before = log.info();
  log.close();
  const again = openLog(device);
  test.strictSame(again.info(), before);
  test.strictSame([...again.entries()].map(({ sequence, length }) => [sequence, length]), [[3, 5], [4, 0], [5, 300_000], [6, 3], [7, 5]]);
  test.throws(() => openLog(device), { code: 'EBUSY' }, 'one writer');
  again.close();
  device.zeroSync(0, 8192);
});
