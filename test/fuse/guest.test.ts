// A mount of an ext2 on real devices. The suite is short, because starting a program takes a second on an emulated machine. The
// host runs the rest on an image.

import t from 'tap';
import { check, mkfsSync, mount } from 'node-dax/ext2';
import { mountFuse } from 'node-dax/fuse';
import { createFs } from 'node-dax/fs';
import { onDevices } from '../helpers/devices.js';
import { mountPoint, runIn } from '../helpers/fuse.js';
import { IN_GUEST, insertModules } from '../helpers/guest.js';

t.setTimeout(900_000);

if (IN_GUEST) insertModules('fs/fuse/fuse.ko');

const DEVICES = ['a file on ext4 -o dax', 'devdax of 4 KiB', 'raw pmem', 'a RAM disk (brd)'];

const SCRIPT = `
  echo one > a; echo two >> a; mv a b; test ! -e a; test "$(< b)" = $'one\\ntwo'
  dd if=/dev/urandom of=random bs=64K count=16 conv=fsync status=none; dd if=random of=copy bs=1M iflag=direct status=none; cmp random copy
  echo open > gone; exec 3< gone; rm gone; read line <&3; test "$line" = open; exec 3<&-
  mkdir -p d/e; for n in {1..40}; do echo $n > d/e/$n; done; names=(d/e/*); test \${#names[@]} = 40; refuses rmdir d`;

onDevices('programs work in a mount, and leave a whole filesystem', DEVICES, async (test, chosen) => {
  const device = chosen.open();
  mkfsSync(device, { blockSize: 4096, force: true });
  const fs = mount(device);
  const served = await mountFuse(fs, mountPoint(test), { onError: (error) => test.fail('an error that is no answer', { error }) });
  test.teardown(() => served.unmount({ force: true }).catch(() => undefined));
  await runIn(test, served.directory, SCRIPT);
  await served.unmount();
  fs.unmount();
  test.strictSame(check(device).findings, [], 'check finds nothing');
  const again = mount(device, { readOnly: true });
  const calls = createFs(again);
  test.equal(calls.readFileSync('/b', 'utf8'), 'one\ntwo\n');
  test.ok(calls.readFileSync('/random').equals(calls.readFileSync('/copy')));
  test.equal(calls.readFileSync('/d/e/40', 'utf8'), '40\n');
  again.unmount();
});
