// A driver that passes a device through, on every kind of device: checkDriver finds nothing, and it does what the device does.

import { blockDevice, PAGE_SIZE, SECTOR_SIZE, type Driver } from 'node-dax';
import { checkDriver, format } from 'node-dax/testkit';
import { onEveryDevice, onEveryKind } from '../helpers/devices.js';

onEveryKind('checkDriver finds nothing', async (test, wanted) => {
  const report = await checkDriver(() => {
    const below = wanted.open();
    const driver: Driver = {
      sectors: Math.floor(below.size / SECTOR_SIZE),
      directAccess: (sector, size) => below.directAccess(sector, size),
      backing: (pos) => ({ device: below, pos }),
      release: () => { below.closeSync(); },
    };
    return driver;
  });
  test.ok(report.ok, format(report));
});

onEveryDevice('what is written and persisted through it is on the device', (test, wanted) => {
  const below = wanted.open();
  const device = blockDevice({
    sectors: Math.floor(below.size / SECTOR_SIZE),
    directAccess: (sector, size) => below.directAccess(sector, size),
    backing: (pos) => ({ device: below, pos }),
  });
  test.equal(device.granularity, below.granularity);
  test.equal(device.persistent, below.persistent);
  test.equal(device.writeSync(Buffer.from('written'), PAGE_SIZE - 3), 7);
  device.directAccess(0, PAGE_SIZE).window.set(Buffer.from('stored'));
  device.persist(0, PAGE_SIZE);
  const found = Buffer.alloc(PAGE_SIZE + 4);
  below.readSync(found, 0);
  test.equal(found.toString('latin1', 0, 6), 'stored');
  test.equal(found.toString('latin1', PAGE_SIZE - 3), 'written');
});
