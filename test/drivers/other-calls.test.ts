// System calls that Node does not have, by a program that maps the same segment: splice, vmsplice and sendfile.

import { execFileSync } from 'node:child_process';
import t from 'tap';
import { PAGE_SIZE } from 'node-dax';
import { dcssblk } from 'node-dax/drivers';
import { scratchPath } from '../helpers/devices.js';

// Prints what comes out of a pipe, by each of the calls.
const PROGRAM = `
import ctypes, mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
memory = mmap.mmap(fd, 16384)
libc = ctypes.CDLL(None, use_errno=True)
class iovec(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]
def piped(send):
    out, into = os.pipe()
    sent = send(into)
    if sent < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.close(into)
    with os.fdopen(out, 'rb') as pipe: print(pipe.read().decode())
vector = iovec(ctypes.addressof(ctypes.c_char.from_buffer(memory, 4096)), 6)
piped(lambda into: libc.vmsplice(into, ctypes.byref(vector), ctypes.c_ulong(1), 0))
position = ctypes.c_longlong(4096)
piped(lambda into: libc.splice(fd, ctypes.byref(position), into, None, ctypes.c_size_t(6), 0))
piped(lambda into: os.sendfile(into, fd, 4096, 6))
`;

t.test('another program sends a segment by vmsplice of its mapping, by splice and by sendfile of its file', (test) => {
  const path = scratchPath(test, '/dev/shm');
  const disk = dcssblk([{ path, access: 'shared', size: 4 * PAGE_SIZE }]);
  disk.writeSync(Buffer.from('shared'), PAGE_SIZE);
  const found = execFileSync('python3', ['-c', PROGRAM, path], { encoding: 'utf8' });
  test.strictSame(found.trim().split('\n'), ['shared', 'shared', 'shared']);
  disk.closeSync();
  test.end();
});
