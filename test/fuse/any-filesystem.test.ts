// Any filesystem on the writer's interface is served: the tutorial's is, with what it has, and refuses the rest.

import { MemoryDevice } from 'node-dax/testkit';
import { TinyFs } from '../../docs/examples/tiny-fs.js';
import { fuseTest, runIn, serve } from '../helpers/fuse.js';
import { served } from '../helpers/tiny-served.js';

const SIZE = 8 * 1024 * 1024;

fuseTest('the filesystem of the tutorial', async (test) => {
  const device = new MemoryDevice(new Uint8Array(SIZE));
  TinyFs.mkfs(device);
  const tiny = TinyFs.mount(device);
  const mount = await serve(test, served(tiny, device));
  await runIn(test, mount.directory, `
    echo hello > a; test "$(cat a)" = hello; head -c 1000000 /dev/urandom > b; cp b c; cmp b c; test $(stat -c %s b) = 1000000
    ls | sort | tr '\\n' ' ' | grep -qx 'a b c '; rm c; test $(ls | wc -l) = 2; truncate -s 100000 b; df . > /dev/null
    refuses mkdir d; refuses ln a e; refuses ln -s a e; refuses mv a e
    python3 -c '
import os
try: os.listxattr("a"); raise SystemExit("has attributes")
except OSError as error: assert error.errno == 95
fd = os.open("h", os.O_CREAT | os.O_RDWR); os.pwrite(fd, b"x", 100000); os.fsync(fd)
assert os.lseek(fd, 0, os.SEEK_DATA) == 98304
'`);
  await mount.unmount();
  test.strictSame(TinyFs.mount(device).names().sort(), ['a', 'b', 'h'], 'it is on the device');
});
