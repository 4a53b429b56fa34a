// Programs that exercise a filesystem work on a mount: rsync with everything that it can preserve, stress-ng with its own
// verification, a compiler and make, npm, and SQLite while the server is killed.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { cliProcess, MAIN } from '../helpers/cli.js';
import { fuseTest, imagePath, judgeImage, mountExt2, mountPoint, ran } from '../helpers/fuse.js';
import { amount, sample } from '../helpers/thorough.js';

const ROOT = join(__dirname, '..', '..', '..');

/** A test that needs a program which not every machine has. */
function judged(program: string, title: string, run: (test: Test) => Promise<void>): void {
  fuseTest(title, async (test) => {
    if (spawnSync('which', [program]).status === 0) await run(test);
    else if (process.env['CI'] === 'true') test.fail(`${program} is not installed`);
    else test.pass(`${program} is not installed`, { skip: `${program} is not installed` });
  });
}

judged('rsync', 'rsync copies a tree with ACLs, attributes and hard links, and finds nothing to do the second time', async (test) => {
  const { run, end } = await mountExt2(test);
  // Without the window, rsync takes times of the same second for equal, and leaves them.
  await run(`
    mkdir from to; cd from; for d in a b c; do mkdir -p $d/$d; for f in $(seq 20); do head -c $((f * 397)) /dev/urandom > $d/$d/$f; done; done
    ln -s a link; ln a/a/1 hard; mkfifo fifo; mknod null c 1 3; truncate -s 5M sparse; chmod 4751 a/a/2; chown 1000:1001 b/b/3; touch -d '2001-02-03 04:05:06.789' b
    python3 -c '
import os, struct
def acl(*entries): return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, bits, id) for tag, bits, id in entries)
NONE = 0xffffffff
named = acl((1, 7, NONE), (2, 5, 1234), (4, 5, NONE), (16, 7, NONE), (32, 0, NONE))
os.setxattr("a/a/3", "system.posix_acl_access", named); os.setxattr("b", "system.posix_acl_default", named)
os.setxattr("a/a/4", "user.mine", b"value"); os.setxattr("a/a/4", "trusted.its", b"value")
'
    rsync -aHAXS --modify-window=-1 . ../to/ | head; rsync -aHAXS --modify-window=-1 --checksum --itemize-changes . ../to/ > ../second; test ! -s ../second
    cd ..; diff -r --no-dereference --exclude=fifo --exclude=null from to; test $(stat -c %h to/hard) = 2; test $(stat -c %b to/sparse) -le 8
    test "$(cd from; find . -printf '%p %M %U:%G %T@ %s\\n' | sort)" = "$(cd to; find . -printf '%p %M %U:%G %T@ %s\\n' | sort)"
    python3 -c '
import os
for path, name in (("a/a/3", "system.posix_acl_access"), ("b", "system.posix_acl_default"), ("a/a/4", "user.mine"), ("a/a/4", "trusted.its")):
    assert os.getxattr("from/" + path, name) == os.getxattr("to/" + path, name)
'`);
  await end();
});

// Each does a number of operations. The slow ones make thousands of names, or wait for each: `npm run test:long` has them.
const QUICK = ['access', 'chmod', 'chown', 'dentry', 'dir', 'dirdeep', 'dirmany', 'flock', 'fstat', 'getdent', 'hdd', 'lease', 'mknod', 'open', 'rename', 'seek', 'touch', 'utime', 'xattr'];
const SLOW = ['chdir', 'fallocate', 'filename', 'inode-flags', 'link', 'symlink'];
const STRESSORS = process.env['NODE_DAX_TEST_STRESSORS'] === 'all' ? [...QUICK, ...SLOW] : sample(QUICK, 5);

judged('stress-ng', 'stress-ng verifies what it does to files', async (test) => {
  const { directory, run, end } = await mountExt2(test, {}, { size: 256 * 1024 * 1024 });
  await run('mkdir work');
  for (const name of STRESSORS) {
    // 3: a stressor that this machine or its stress-ng does not have.
    const { status, output } = await ran(directory, `cd work; stress-ng --verify --temp-path . --timeout 60 --${name} 1 --${name}-ops 40 --hdd-bytes 4m --seek-size 4m --fallocate-bytes 4m --dentries 100 2>&1 || { s=$?; test $s = 3 || exit $s; }`);
    test.equal(status, 0, name, { output });
  }
  await run('rm -rf work');
  await end();
});

judged('gcc', 'a program of C is built and runs', async (test) => {
  const { run, end } = await mountExt2(test);
  await run(`
    for i in $(seq 12); do printf 'int f%d(void) { return %d; }\\n' $i $i > f$i.c; done
    { for i in $(seq 12); do echo "int f$i(void);"; done; echo '#include <stdio.h>'; echo 'int main(void) { printf("%d\\n", 0'; for i in $(seq 12); do echo "+ f$i()"; done; echo '); return 0; }'; } > main.c
    printf 'program: $(patsubst %%.c,%%.o,$(wildcard *.c))\\n\\tgcc -o $@ $^\\nlib.a: program\\n\\tar rcs $@ f*.o\\n' > Makefile
    make -s -j2 lib.a; test "$(./program)" = 78; test "$(make -s lib.a)" = ''; touch f3.c; make -q lib.a && exit 1; make -s lib.a; ./program`);
  await end();
});

judged('npm', 'npm ci installs what npm install locked', async (test) => {
  const { run, end } = await mountExt2(test, {}, { size: 128 * 1024 * 1024 });
  // A package of this machine, so no registry is asked.
  await run(`
    export npm_config_cache=$PWD/cache npm_config_update_notifier=false npm_config_audit=false npm_config_fund=false
    tar -C ${join(ROOT, 'node_modules')} -cf packages.tar commander bindings file-uri-to-path; mkdir packages; tar -C packages -xf packages.tar
    for p in commander file-uri-to-path; do (cd packages/$p; npm pack --silent --ignore-scripts --pack-destination ../.. > /dev/null); done; ls *.tgz
    mkdir app; cd app; npm init -y > /dev/null; npm install --silent --offline ../commander-*.tgz ../file-uri-to-path-*.tgz; rm -rf node_modules
    npm ci --silent --offline; node -e 'new (require("commander").Command)(); require("file-uri-to-path")'; npm ls --silent > /dev/null`);
  await end();
});

interface Server {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown[]>;
}

async function server(test: Test, image: string, directory: string): Promise<Server> {
  const child = spawn(process.execPath, [MAIN, 'mount', image, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  test.teardown(() => child.kill('SIGKILL'));
  const ended = once(child, 'close');
  await Promise.race([once(child.stdout, 'data'), ended]);
  return { child, ended };
}

// Commits one row after the other, and acknowledges each on a line of its own, outside of the mount.
const WRITER = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1] + "/db", isolation_level=None)
db.execute("pragma journal_mode=" + sys.argv[2]); db.execute("pragma synchronous=full")
db.execute("create table if not exists t(a integer primary key, b blob)")
row = db.execute("select coalesce(max(a), 0) from t").fetchone()[0]
while True:
    row += 1
    db.execute("insert into t values (?, randomblob(300))", (row,))
    print(row, flush=True)
`;

for (const mode of ['delete', 'wal']) {
  fuseTest(`SQLite (${mode}) has every acknowledged row after the server was killed at random`, async (test) => {
    const image = imagePath(test);
    test.equal(cliProcess('ext2', 'mkfs', image, '--size', '32M').status, 0);
    const directory = mountPoint(test);
    const folder = mkdtempSync(join(tmpdir(), 'node-dax-rows-'));
    test.teardown(() => { rmSync(folder, { recursive: true, force: true }); });
    const program = join(folder, 'writer.py');
    writeFileSync(program, WRITER);
    let acknowledged = 0;
    for (let round = 0; round < amount({ short: 1, thorough: 3, long: 5 }); round++) {
      const { child, ended } = await server(test, image, directory);
      const writer = spawn('python3', [program, directory, mode], { stdio: ['ignore', 'pipe', 'ignore'] });
      test.teardown(() => writer.kill('SIGKILL'));
      const wrote = once(writer, 'close');
      const wanted = 3 + Math.floor(Math.random() * 20);
      let rows = 0;
      writer.stdout.setEncoding('utf8').on('data', (text: string) => {
        const lines = text.trim().split('\n');
        acknowledged = Number(lines.at(-1));
        rows += lines.length;
        if (rows >= wanted) child.kill('SIGKILL');
      });
      await ended;
      await wrote;
      test.equal(cliProcess('umount', directory, '--force').status, 0);
      const again = await server(test, image, directory);
      const { status, output } = await ran(directory, `sqlite3 db 'pragma integrity_check; select count(*), max(a) from t'`);
      test.equal(status, 0, 'it opens', { output });
      const [, integrity, found] = /^(.*)\n(\d+)\|/.exec(output) ?? [];
      test.equal(integrity, 'ok');
      test.ok(Number(found) >= acknowledged, `${acknowledged} rows were acknowledged`, { found });
      again.child.kill('SIGTERM');
      test.strictSame(await again.ended, [0, null]);
      // What was open or under way may be lost space, and nothing else.
      spawnSync('e2fsck', ['-fp', image]);
      judgeImage(test, image);
    }
  });
}
