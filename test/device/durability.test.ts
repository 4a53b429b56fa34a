// What the kernel vouches for on every kind of device, by what it is known, and who is refused where it does not.

import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { doctor, list, openSync, partition, type Evidence } from 'node-dax';
import { onEveryDevice, type TestDevice } from '../helpers/devices.js';
import { ON_HOST } from '../helpers/guest.js';

function isReal({ source }: Evidence): boolean {
  return !source.startsWith('/') || existsSync(source);
}

function expected({ persistent }: TestDevice, found: boolean | undefined): boolean {
  if (persistent === 'depends') return true;
  return found === (persistent === 'unknown' ? undefined : persistent);
}

onEveryDevice('persistence of', (test, wanted) => {
  const device = wanted.open();
  const { persistent, persistenceEvidence } = device.facts;
  test.ok(expected(wanted, persistent), `it is ${persistent}: ${persistenceEvidence.meaning}`);
  test.equal(device.persistent, persistent);
  test.equal(partition(device, 0, 8).persistent, persistent);
  test.ok(isReal(persistenceEvidence), persistenceEvidence.source);

  const durable = (): void => { openSync(wanted.path, { ...wanted.needed, requireDurable: true }).closeSync(); };
  if (persistent === true) test.doesNotThrow(durable);
  else test.throws(durable, { code: 'EOPNOTSUPP', reason: 'NOT_DURABLE', path: wanted.path, message: new RegExp(persistenceEvidence.value.replaceAll(/\W/g, '.')) });

  const report = doctor(wanted.path);
  test.equal(report.persistent, persistent);
  test.equal(report.granularity, device.granularity);
  for (const evidence of report.evidence) test.ok(isReal(evidence), evidence.source);
  if (persistent !== true) {
    for (const words of [report.verdict, ...report.evidence.map(({ meaning }) => meaning)]) test.notMatch(words, /durable once|once visible|needs no flush/);
  }
  if (wanted.kind === 'devdax') {
    test.match(list().find(({ path }) => path === wanted.path), { persistent, persistenceEvidence });
  }
  device.writeSync(Buffer.from('kept'), 4096);
  device.deepFlush();
});

onEveryDevice('an open for writing is refused only of what is not armed:', async (test, wanted) => {
  if (wanted.name !== 'an unarmed NVDIMM') {
    if (wanted.kind === 'devdax') test.doesNotThrow(() => { openSync(wanted.path).closeSync(); });
    return;
  }
  test.throws(() => openSync(wanted.path), { code: 'EROFS', reason: 'NOT_ARMED', message: /unarmed.*not_armed.*readOnly: true, or force: true/s });
  test.throws(() => openSync(wanted.path, { lock: true }), { code: 'EROFS', reason: 'NOT_ARMED' });
  const { ext2Here } = await import('../helpers/cli.js');
  await test.rejects(ext2Here('mkfs', wanted.path), { code: 'EROFS', reason: 'NOT_ARMED', hint: /unarmed/ });
  test.equal(openSync(wanted.path, { readOnly: true }).persistent, false);
  const name = wanted.path.replace('/dev/', '');
  const region = list().flatMap((device) => (device.kind === 'devdax' && device.chardev === name ? (device.region ?? []) : []))[0];
  const flags = readFileSync(`/sys/bus/nd/devices/${region?.failedArm ?? ''}/nfit/flags`, 'latin1');
  test.match(flags, 'not_armed');
});

t.test('a file in memory is not durable, one of procfs not known', ON_HOST, (test) => {
  const path = `/dev/shm/node-dax-durable-${process.pid}`;
  test.throws(() => openSync(path, { size: 4096, requireDurable: true }), { reason: 'NOT_DURABLE', message: /lost when the machine stops/ });
  test.notOk(existsSync(path), 'and is not made');
  test.end();
});
