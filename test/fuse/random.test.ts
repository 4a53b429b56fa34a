// Random programs work in several directories of a mount at once, and the same programs in as many directories of tmpfs: they end
// in the same way and leave the same trees. NODE_DAX_TEST_MINUTES sets the duration; `npm run test:long` runs it for an hour.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fuseTest, mountExt2, ran } from '../helpers/fuse.js';
import { seeded, type Random } from '../helpers/random.js';
import { amount } from '../helpers/thorough.js';

const MINUTES = Number(process.env['NODE_DAX_TEST_MINUTES'] ?? 0);
const ROUNDS = amount({ short: 1, thorough: 4, long: 8 });
const LANES = 3;
const PROGRAMS = 40;
const MIB = 2 ** 20;

const PATHS = ['a', 'b', 'c', 'd', 'd/a', 'd/b', 'e', 'e/a', 'e/d', 'e/d/a', 'e/d/b', `long${'x'.repeat(100)}`];

// Each step works on paths that may be missing or of another type. The bytes written do not depend on the place or the time. Set-id
// bits are left out: here every write clears them, but on tmpfs a write by root does not.
const MAKERS: readonly ((random: Random, path: () => string) => string)[] = [
  (_random, path) => `mkdir -p ${path()}`,
  (random, path) => `yes ${random.below(1e6)} | head -c ${random.below(300_000)} > ${path()}`,
  (random, path) => `seq ${random.below(20_000)} >> ${path()}`,
  (_random, path) => `cat ${path()} ${path()} > ${path()}.cat`,
  (random, path) => `dd if=${path()} of=${path()} bs=${1 + random.below(9000)} count=${random.below(30)} seek=${random.below(50)} conv=notrunc${random.pick(['', ',fsync', ',sync'])}`,
  (random, path) => `dd if=/dev/zero of=${path()} bs=4096 count=${random.below(20)} oflag=direct conv=notrunc`,
  (random, path) => `truncate -s ${random.below(500_000)} ${path()}`,
  (_random, path) => `mv -T ${path()} ${path()}`,
  (_random, path) => `mv -n ${path()} ${path()}`,
  (_random, path) => `rm -r ${path()}`,
  (_random, path) => `ln ${path()} ${path()}`,
  (_random, path) => `ln -s ${path()} ${path()}`,
  (_random, path) => `cp -p ${path()} ${path()}`,
  (random, path) => `chmod ${random.pick(['600', '644', '755', '700', '1777'])} ${path()}`,
  (random, path) => `chown ${random.below(3000)}:${random.below(3000)} ${path()}`,
  (_random, path) => `sed -i -e 1d -e s/1/2/g ${path()}`,
  (_random, path) => `sort -o ${path()} ${path()}`,
  (_random, path) => `gzip -nkf ${path()}`,
  (_random, path) => `gunzip -kf ${path()}.gz`,
  (_random, path) => `tar --sort=name --mtime=@0 -cf archive ${path()}`,
  () => 'mkdir -p out; tar -C out -xf archive',
  (_random, path) => `split -b 20000 -a 3 ${path()} part`,
  () => 'rm -f part*',
  (_random, path) => `rsync -aI ${path()}/ rsynced`,
  (_random, path) => `fallocate -p -o 5000 -l 60000 ${path()}`,
  (random, path) => `sqlite3 ${path()}.db 'create table if not exists t(a integer primary key, b text); begin; insert into t(b) values (hex(zeroblob(${random.below(3000)}))); insert into t(b) select a from t; commit; delete from t where a % 3 = 0'`,
  (random, path) => `python3 -c 'import mmap, sys; f = open(sys.argv[1], "r+b"); m = mmap.mmap(f.fileno(), 0); m[len(m) // 2] = ${random.below(256)}; m.flush(); f.write(b"start"); f.truncate(len(m))' ${path()}`,
  (_random, path) => `find ${path()} -type f -size -2 -print0 | sort -z | xargs -0r cat > found`,
];

function script(random: Random): string {
  const path = (): string => random.pick(PATHS);
  const lines = Array.from({ length: PROGRAMS }, () => random.pick(MAKERS)(random, path));
  // Each line tells how it ended.
  return lines.map((line) => `( ${line} ) > /dev/null 2>&1; echo "$? ${line.replaceAll(/["$\\`]/g, '')}"`).join('\n');
}

// Names, types, modes, owners, links, sizes of files and content.
const TELL = String.raw`find . -type d -printf '%P %y %m %U:%G\n' -o -printf '%P %y %m %U:%G %n %s %l\n' | sort; find . -type f -print0 | sort -z | xargs -0r sha256sum`;

fuseTest('random programs do the same on a mount and on tmpfs', async (test) => {
  const random = seeded(test);
  const end = Date.now() + MINUTES * 60_000;
  const reference = mkdtempSync('/dev/shm/node-dax-random-');
  test.teardown(() => { rmSync(reference, { recursive: true, force: true }); });
  for (let round = 0; round < ROUNDS || Date.now() < end; round++) {
    const mounted = await mountExt2(test, { writebackCache: random.below(3) === 0 }, { size: 256 * MIB, blockSize: random.pick([1024, 4096]) });
    const lanes = Array.from({ length: LANES }, (_, lane) => join(reference, `${round}-${lane}`));
    await Promise.all(lanes.map(async (folder, lane) => {
      mkdirSync(folder);
      await mounted.run(`mkdir ${lane}`);
      const programs = script(random);
      const wanted = await ran(folder, programs, 600);
      const found = await ran(join(mounted.directory, String(lane)), programs, 600);
      test.equal(found.output, wanted.output, 'they end in the same way', { programs });
      test.equal((await mounted.run(`cd ${lane}; ${TELL}`)), (await ran(folder, TELL)).output, 'they leave the same', { programs });
    }));
    await mounted.end();
    for (const folder of lanes) rmSync(folder, { recursive: true });
    if (!test.passing()) break;
  }
}, { timeout: (MINUTES + 30) * 60_000 });
