// Memory that goes bad while the process uses it (MADV_HWPOISON; no device here stays bad): copies report it, loads and stores by
// JavaScript survive it, and a write of a whole page repairs it. This is not tested through a mapping of a file: the page is in the
// device's own mapping as well, and the kernel sends only one signal, for either of the two.

import '../helpers/assert-locks.js';
import t from 'tap';
import { onDevices } from '../helpers/devices.js';
import { IN_GUEST } from '../helpers/guest.js';
import { poison } from '../helpers/poison.js';
import { watch } from '../helpers/watchdog.js';

const DEVICES = ['a file on ext4 -o dax', 'a file on xfs -o dax', 'devdax of 4 KiB'];
const PAGE = 4096;

// Only there is there memory that may be poisoned.
if (!IN_GUEST) t.test('poisoned memory', { skip: 'memory is poisoned in the guest alone: npm run test:guest' }, () => undefined);
else {
  onDevices('copies end at a page that went bad until a write of all of it mends it (PO-2)', DEVICES, async (test, wanted) => {
    watch(test);
    const device = wanted.open();
    device.writeSync(Buffer.alloc(4 * PAGE, 1), 0);
    const view = device.view(0, 4 * PAGE);
    test.equal(view[2 * PAGE], 1);
    poison(view, 2 * PAGE);
    const bad = { code: 'EIO', reason: 'MEDIA_ERROR', position: 2 * PAGE };
    const target = Buffer.alloc(4 * PAGE);
    test.equal(view[2 * PAGE], 0, 'a load finds zeros');
    view[2 * PAGE + 1] = 7;
    test.equal(view[PAGE], 1, 'its neighbours are there');
    test.equal(view[3 * PAGE], 1);
    test.equal(device.readSync(target, 0), 2 * PAGE, 'a read gives what lies before');
    test.throws(() => device.readSync(target, 2 * PAGE), bad);
    await test.rejects(device.read(target, 2 * PAGE), bad);
    test.equal(device.readSync(target.subarray(0, PAGE), 3 * PAGE), PAGE);
    test.throws(() => { device.persist(0, 4 * PAGE); }, bad);
    test.throws(() => device.writeSync(Buffer.alloc(100), 2 * PAGE), bad, 'a part of the page mends nothing');
    test.equal(device.writeSync(Buffer.alloc(PAGE, 9), 2 * PAGE), PAGE, 'the whole page does (PO-2)');
    test.equal(device.readSync(target, 0), 4 * PAGE);
    test.equal(target[2 * PAGE + 1], 9, 'and no store to the lost page is there');
    test.equal(view[2 * PAGE], 9);
    device.persist(0, 4 * PAGE);
  });
}
