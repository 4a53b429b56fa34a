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
  ['attributes of the system and of security', `
    touch f; python3 -c '
import os
for name in ("trusted.a", "security.a"):
    os.setxattr("f", name, b"value"); assert os.getxattr("f", name) == b"value"
assert sorted(os.listxattr("f")) == ["security.a", "trusted.a"], os.listxattr("f")
os.removexattr("f", "trusted.a"); assert os.listxattr("f") == ["security.a"]
# The capability to open any port goes when the file is written.
os.setxattr("f", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
with open("f", "w") as f: f.write("x")
assert os.listxattr("f") == ["security.a"], os.listxattr("f")
'`],
  ['default ACLs of directories', `
    mkdir d; umask 077; python3 -c '
import os, struct
def acl(*entries): return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, bits, id) for tag, bits, id in entries)
NONE = 0xffffffff
default = acl((1, 7, NONE), (2, 7, 1234), (4, 5, NONE), (16, 7, NONE), (32, 5, NONE))
os.setxattr("d", "system.posix_acl_default", default)
os.close(os.open("d/f", os.O_CREAT | os.O_WRONLY, 0o640)); os.mkdir("d/sub", 0o750); os.mkfifo("d/p", 0o600); os.symlink("f", "d/l")
mode = lambda path: os.lstat(path).st_mode & 0o7777
assert (mode("d/f"), mode("d/sub"), mode("d/p")) == (0o640, 0o750, 0o600), [oct(mode("d/" + x)) for x in ("f", "sub", "p")]
get = lambda path, kind: os.getxattr(path, "system.posix_acl_" + kind)
assert get("d/f", "access") == acl((1, 6, NONE), (2, 7, 1234), (4, 5, NONE), (16, 4, NONE), (32, 0, NONE))
assert get("d/sub", "access") == acl((1, 7, NONE), (2, 7, 1234), (4, 5, NONE), (16, 5, NONE), (32, 0, NONE))
assert get("d/sub", "default") == default
assert os.listxattr("d/l", follow_symlinks=False) == []
os.setxattr("d", "system.posix_acl_default", acl((1, 7, NONE), (4, 5, NONE), (32, 4, NONE)))
os.close(os.open("d/g", os.O_CREAT | os.O_WRONLY, 0o666))
assert mode("d/g") == 0o644 and os.listxattr("d/g") == []
os.close(os.open("masked", os.O_CREAT | os.O_WRONLY, 0o666)); os.mkdir("hidden", 0o777)
assert (mode("masked"), mode("hidden")) == (0o600, 0o700)
'`],
  ['flags that chattr sets', `
    echo a > log; chattr +a log; lsattr log | grep -q '^-*a-* log$'; echo b >> log; test "$(cat log)" = "$(printf 'a\nb')"
    refuses bash -c 'echo c > log'; refuses bash -c 'printf c | dd of=log conv=notrunc oflag=nofollow'; refuses truncate -s 0 log; refuses rm log; refuses mv log other
    python3 -c '
import os
fd = os.open("log", os.O_WRONLY | os.O_APPEND)
for change in (lambda: os.ftruncate(fd, 0), lambda: os.open("log", os.O_WRONLY | os.O_APPEND | os.O_TRUNC)):
    try: change(); raise SystemExit("not refused")
    except PermissionError: pass
assert os.write(fd, b"c") == 1
'; test $(stat -c %s log) = 5; chattr -a log; rm log
    echo x > fixed; mkdir kept; touch kept/f; chattr +i fixed kept; for c in 'rm fixed' 'chmod 600 fixed' 'touch kept/g' 'rm kept/f' 'mv fixed else' 'ln fixed link' 'bash -c "echo y >> fixed"'; do refuses eval "$c"; done
    test "$(cat fixed)" = x; chattr -i fixed kept; chattr +d fixed; lsattr fixed | grep -q d; rm -r fixed kept; touch plain; mkfifo fifo; refuses chattr +i fifo`],
  ['flags that directories hand down, and the attributes of FS_IOC_FSGETXATTR', `
    flags() { lsattr -d "$1" | cut -d ' ' -f 1 | tr -d -; }
    mkdir d; chattr +AdSDTcsu d; touch d/file; mkdir d/dir; mkfifo d/fifo; ln -s file d/link
    test "$(flags d)" = suSDdAcT; test "$(flags d/dir)" = suSDdAc; test "$(flags d/file)" = suSdAc
    mkdir plain; touch plain/f; test -z "$(flags plain)$(flags plain/f)"; mv plain/f d/moved; test -z "$(flags d/moved)"
    chattr +i plain; refuses touch plain/g; chattr -i plain; touch plain/g; test -z "$(flags plain/g)"
    python3 -c '
import fcntl, os, struct
def xflags(path):
    fd = os.open(path, os.O_RDONLY)
    fields = struct.unpack("<IIIII8s", fcntl.ioctl(fd, 0x801c581f, bytes(28)))
    assert fields[1:] == (0, 0, 0, 0, bytes(8)), fields
    return fields[0]
# FS_XFLAG_SYNC, _NOATIME, _NODUMP, _IMMUTABLE and _APPEND
assert xflags("d/file") == 0x20 | 0x40 | 0x80 and xflags("d/moved") == 0
os.system("chattr +i d/moved; chattr =a d/file")
assert xflags("d/moved") == 0x08 and xflags("d/file") == 0x10
os.system("chattr -i d/moved; chattr -a d/file")
'`],
  ['names exchanged, and files without a name that get one', `
    mkdir d e; echo one > d/a; mkdir e/b; touch e/b/in; python3 -c '
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def name(fd, path):
    if libc.linkat(-100, b"/proc/self/fd/%d" % fd, -100, path, 0x400) != 0: raise OSError(ctypes.get_errno(), path)
def exchange(a, b):
    if libc.renameat2(-100, a.encode(), -100, b.encode(), 2) != 0: raise OSError(ctypes.get_errno(), a)
exchange("d/a", "e/b")
assert os.path.isdir("d/a") and os.path.exists("d/a/in") and open("e/b").read() == "one\\n"
assert os.stat("d").st_nlink == 3 and os.stat("e").st_nlink == 2 and os.path.samefile("d/a/..", "d")
exchange("d/a", "e/b"); exchange("d/a", "e/b"); exchange("d/a", "d/a")
os.mkdir("d/a/x"); os.mkdir("e/y"); exchange("d/a/x", "e/y"); assert os.path.samefile("d/a/x/..", "d/a")
for a, b, errno in (("d", "d/a/x", 22), ("d/a/x", "d", 22), ("d/a", "none", 2)):
    try: exchange(a, b); raise SystemExit("not refused")
    except OSError as error: assert error.errno == errno, error
assert sorted(os.listdir("d")) == ["a"] and sorted(os.listdir("e")) == ["b", "y"]
fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
os.write(fd, b"later"); assert os.fstat(fd).st_nlink == 0
name(fd, b"named"); assert os.fstat(fd).st_nlink == 1
assert open("named").read() == "later" and os.stat("named").st_mode & 0o777 == 0o640
lost = os.open("d", os.O_TMPFILE | os.O_WRONLY); os.write(lost, bytes(100000)); os.close(lost)
exclusive = os.open(".", os.O_TMPFILE | os.O_EXCL | os.O_WRONLY)
try: name(exclusive, b"never"); raise SystemExit("linked")
except FileNotFoundError: pass
'`],
  ['the time of birth', `
    before=$(date +%s); echo x > t; touch -d 2001-01-01 t; test $(stat -c %W t) -ge $before; test $(stat -c %Y t) -lt 1000000000`],
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
