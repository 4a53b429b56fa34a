// Programs work on a mount: git, SQLite, tar, fio.

import { fuseTest, mountExt2 } from '../helpers/fuse.js';

fuseTest('git makes, clones, packs and checks a repository', async (test) => {
  const { run, end } = await mountExt2(test);
  await run(`
    git init -q -b main a; cd a; for d in $(seq 5); do mkdir $d; for f in $(seq 20); do echo "$d $f" > $d/$f; done; done
    git add .; git commit -qm one; git mv 1 renamed; git commit -qm two; git gc -q; git fsck --strict; cd ..
    git clone -q a b; cd b; git fsck --strict; test $(git rev-parse HEAD) = $(git -C ../a rev-parse HEAD); git status --porcelain | wc -l | grep -qx 0
    git checkout -q HEAD~1; test -e 1/1; rm -rf ../a`);
  await end();
});

fuseTest('SQLite keeps a database with either journal', async (test) => {
  const { run, end } = await mountExt2(test);
  for (const mode of ['delete', 'wal']) {
    await run(`
      sqlite3 ${mode}.db "pragma journal_mode=${mode}; create table t(a integer primary key, b text);"
      for i in $(seq 10); do sqlite3 ${mode}.db "begin; insert into t(b) select hex(randomblob(50)) from generate_series(1, 100); commit;"; done
      test $(sqlite3 ${mode}.db 'select count(*) from t') = 1000; test $(sqlite3 ${mode}.db 'pragma integrity_check') = ok`);
  }
  await end();
});

fuseTest('tar brings a tree in and out', async (test) => {
  const { run, end } = await mountExt2(test);
  await run(`
    mkdir tree; cd tree; for d in a b c; do mkdir -p $d/$d; for f in $(seq 30); do head -c $((f * 397)) /dev/urandom > $d/$d/$f; done; done
    ln -s a link; ln a/a/1 hard; mkfifo fifo; truncate -s 5M sparse; chmod 751 a; touch -d 2002-03-04 b; cd ..
    tar -cSf tree.tar tree; mkdir out; tar -xSf tree.tar -C out; diff -r --no-dereference tree/a out/tree/a; cmp tree/sparse out/tree/sparse; cmp tree/hard out/tree/a/a/1
    tar -df tree.tar -C out; test "$(stat -c '%a %Y' tree/a out/tree/a | sort -u | wc -l)" = 1; test $(stat -c %h out/tree/hard) = 2`);
  await end();
});

fuseTest('fio finds what it wrote', async (test) => {
  const { run, end } = await mountExt2(test, {}, { size: 128 * 1024 * 1024 });
  const common = '--output=/dev/null --size=8M --verify=crc32c --verify_fatal=1 --do_verify=1 --randseed=7';
  await run(`
    fio --name=psync --ioengine=psync --rw=randwrite --bsrange=512-64k --bs_unaligned ${common}
    fio --name=mmap --ioengine=mmap --rw=randwrite --bs=4k ${common}
    fio --name=direct --ioengine=libaio --direct=1 --iodepth=16 --rw=randwrite --bs=4k ${common}
    fio --name=large --ioengine=psync --rw=write --bs=1M ${common}`);
  await end();
});
