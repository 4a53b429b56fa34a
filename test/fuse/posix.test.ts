// A mount is a filesystem: what POSIX says of names, links, open files, sizes and times holds for programs that know nothing of it.

import { fuseTest, mountExt2 } from '../helpers/fuse.js';

// Each script fails where one of its lines does.
const SCRIPTS: readonly [title: string, script: string][] = [
  ['names of files and directories', `
    echo one > a; mkdir -p d/e; mv a d/e/b; test "$(cat d/e/b)" = one; test ! -e a
    touch "$(printf 'not\\xffutf8')"; ls | grep -q not
    long=$(printf 'n%.0s' {1..255}); touch $long; refuses touch n$long; rmdir d 2>&1 | grep -q 'not empty'
    touch d/f; refuses mkdir d/f; refuses cat d/f/g; rm -r d; refuses stat d`],
  ['hard links and symbolic links', `
    echo x > f; ln f g; test $(stat -c %h f) = 2; echo y >> g; test "$(cat f)" = "$(printf 'x\\ny')"
    rm f; test $(stat -c %h g) = 1; ln -s g l; test "$(readlink l)" = g; cmp l g; ln -s loop loop; refuses cat loop
    ln -s "$(printf 'x%.0s' {1..200})" long; test $(readlink long | wc -c) = 201; refuses ln lost+found dirlink`],
  ['the cases of rename', `
    mkdir d e; echo 1 > f; echo 2 > g; mv f g; test "$(cat g)" = 1; refuses mv -T g d; refuses mv -T d g; mv -T d e; test ! -e d
    mkdir e/sub; mkdir full; touch full/x; refuses mv -T e full; refuses mv e e/sub/x
    python3 -c 'import os; os.rename("e", "h"); os.rename("h/sub", "sub")'; test $(stat -c %h h) = 2
    echo old > o; echo new > n; mv -n n o || true; test "$(cat o)" = old`],
  ['files without a name stay while they are open', `
    exec 3<>u; echo text >&3; rm u; test "$(cat /proc/self/fd/3)" = text; echo more >&3; test $(stat -Lc %s /proc/self/fd/3) = 10
    test $(stat -Lc %h /proc/self/fd/3) = 0; exec 3>&-`],
  ['appending, and making what must not be there', `
    for i in 1 2 3 4; do (for j in $(seq 50); do echo line$i >> log; done) & done; wait; test $(wc -l < log) = 200
    test $(sort log | uniq -c | awk '{print $1}' | sort -u) = 50
    python3 -c '
import os
os.close(os.open("x", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640))
try: os.open("x", os.O_CREAT | os.O_EXCL | os.O_WRONLY); raise SystemExit("made twice")
except FileExistsError: pass
fd = os.open("x", os.O_RDWR | os.O_APPEND)
os.write(fd, b"abc"); os.pwrite(fd, b"def", 0)
assert os.pread(fd, 10, 0) == b"abcdef"
'; test $(stat -c %a x) = 640`],
  ['sizes, holes and truncation', `
    truncate -s 10M sparse; test $(stat -c %b sparse) = 0; printf end | dd of=sparse bs=1 seek=5000000 conv=notrunc status=none
    test $(stat -c %s sparse) = 10485760; test "$(tail -c +5000001 sparse | head -c 3)" = end; cmp <(head -c 5000000 sparse) <(head -c 5000000 /dev/zero)
    python3 -c '
import os
fd = os.open("sparse", os.O_RDWR)
data = os.lseek(fd, 0, os.SEEK_DATA)
assert data == 5000000 // 4096 * 4096, data
assert os.lseek(fd, data, os.SEEK_HOLE) == data + 4096
try: os.lseek(fd, data + 4096, os.SEEK_DATA); raise SystemExit("data past the end")
except OSError as error: assert error.errno == 6, error
'
    fallocate --punch-hole -o 4997120 -l 4096 sparse; test $(stat -c %b sparse) -le 24; cmp sparse <(head -c 10485760 /dev/zero)
    yes | head -c 20000 > t; fallocate --zero-range --keep-size -o 100 -l 9000 t; cmp <(head -c 9000 /dev/zero) <(tail -c +101 t | head -c 9000); test "$(head -c 2 t)" = y
    truncate -s 5 t; truncate -s 5000 t; cmp <(tail -c +6 t) <(head -c 4995 /dev/zero); truncate -s 0 t; test ! -s t; : > sparse; test $(stat -c %b sparse) = 0`],
  ['permissions and owners', `
    umask 022; echo s > s; chmod 4755 s; test $(stat -c %a s) = 4755; chown 1000:1000 s; test $(stat -c %a s) = 755; chmod 600 s
    mkdir -m 1777 sticky; mkdir -m 2775 group; chgrp 4242 group; touch group/f; test $(stat -c %g group/f) = 4242; mkdir group/d; test $(stat -c %a group/d) = 2755
    test "$(stat -c '%u %a' s)" = '1000 600'`],
  ['times', `
    touch -d '2001-02-03T04:05:06.123456789Z' t; test "$(TZ=UTC stat -c %y t)" = '2001-02-03 04:05:06.123456789 +0000'
    touch -a -d '1969-12-31T23:59:58.5Z' t; test "$(TZ=UTC stat -c %x t)" = '1969-12-31 23:59:58.500000000 +0000'
    before=$(stat -c %Y .); sleep 1.1; touch n; test $(stat -c %Y .) -gt $before; echo x > t; test $(($(date +%s) - $(stat -c %Y t))) -le 2`],
  ['extended attributes', `
    touch f; python3 -c '
import os
os.setxattr("f", "user.a", b"value"); os.setxattr("f", "user.b", b"")
assert os.getxattr("f", "user.a") == b"value" and sorted(os.listxattr("f")) == ["user.a", "user.b"]
try: os.setxattr("f", "user.a", b"x", os.XATTR_CREATE); raise SystemExit("made twice")
except FileExistsError: pass
try: os.setxattr("f", "user.c", b"x", os.XATTR_REPLACE); raise SystemExit("replaced nothing")
except OSError as error: assert error.errno == 61, error
os.removexattr("f", "user.a"); assert os.listxattr("f") == ["user.b"]
try: os.getxattr("f", "user.a"); raise SystemExit("not removed")
except OSError as error: assert error.errno == 61, error
'`],
  ['devices, fifos and sockets', `
    mknod c c 1 3; test "$(stat -c '%t %T' c)" = '1 3'; mknod b b 259 70000; test "$(stat -c '%F %t %T' b)" = 'block special file 103 11170'
    mkfifo p; (echo through > p &); test "$(cat p)" = through
    python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.bind("sock")'; test -S sock`],
  ['memory shared through a mapping', `
    python3 -c '
import mmap, os
with open("m", "wb") as f: f.truncate(1 << 20)
with open("m", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
    m[70000:70005] = b"hello"; m.flush()
    assert os.pread(f.fileno(), 5, 70000) == b"hello"
    os.pwrite(f.fileno(), b"HE", 70000); assert m[70000:70005] == b"HEllo"
    m[5:8] = b"abc"; m.close()
'; test "$(tail -c +70001 m | head -c 5)" = HEllo; test "$(tail -c +6 m | head -c 3)" = abc`],
  ['copies within the filesystem', `
    head -c 600000 /dev/urandom > src; cp --reflink=never src copy; cmp src copy
    python3 -c '
import os
a, b = os.open("src", os.O_RDONLY), os.open("range", os.O_CREAT | os.O_RDWR)
assert os.copy_file_range(a, b, 100000, 5, 7) == 100000
assert os.pread(b, 100000, 7) == os.pread(a, 100000, 5)
'`],
  ['many entries', `
    mkdir many; (cd many; seq -f 'entry-%g' 600 | xargs touch); test $(ls many | wc -l) = 600; test $(ls -l many | grep -c entry-) = 600
    test $(find many -type f | sort -u | wc -l) = 600; (cd many; ls | awk 'NR % 2' | xargs rm); test $(ls many | wc -l) = 300; rm -r many`],
  ['locks', `
    touch l; flock l true; (flock 9; sleep 0.3) 9>l & sleep 0.1; refuses flock -n l true; wait
    python3 -c '
import fcntl
f = open("l", "r+"); fcntl.lockf(f, fcntl.LOCK_EX)
'`],
];

fuseTest('what programs see', async (test) => {
  const mounted = await mountExt2(test);
  for (const [index, [title, script]] of SCRIPTS.entries()) {
    await test.test(title, async (part) => {
      const output = await mounted.run(`mkdir ${index}; cd ${index}; ${script.replaceAll('lost+found', '../lost+found')}`);
      part.comment(output);
    });
  }
  await mounted.end();
});
