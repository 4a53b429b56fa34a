// ext2 answers random operations as a model of a tree does, and e2fsck finds nothing to say.

import t from 'tap';
import { e2fsck, e2fsprogsMissing, formatted, describeKind, KINDS } from '../helpers/ext2-image.js';
import { Ext2Model } from '../helpers/ext2-model.js';
import { randomFrom, seeded } from '../helpers/random.js';
import { amount } from '../helpers/thorough.js';

// In all; the long run has 200 000.
const OPERATIONS = Number(process.env['NODE_DAX_TEST_OPERATIONS'] ?? amount({ short: 2000, thorough: 6000, long: 12000 }));
const SEEDS = 10;
const MIB = 1024 * 1024;

t.test(`${OPERATIONS} random operations`, { skip: e2fsprogsMissing() ?? false, timeout: 3_600_000 }, (t) => {
  const random = seeded(t);
  for (let seed = 0; seed < SEEDS; seed++) {
    const kind = KINDS[(random.below(100) + seed) % KINDS.length] as (typeof KINDS)[number];
    const isTight = seed % 3 === 0;
    const size = isTight ? MIB : 6 * MIB;
    const own = 1 + random.below(1_000_000);
    const device = formatted({ ...kind, size, more: ['-N', isTight ? '48' : '400'] });
    const model = new Ext2Model(device, randomFrom(own), kind.revision > 0);
    const where = `seed ${own}, ${size / MIB} MiB, ${describeKind(kind)}`;
    let step = 0;
    try {
      for (; step < OPERATIONS / SEEDS; step++) {
        model.step();
        if (step % 1000 !== 999) continue;
        model.settle();
        // In use, as its state says, but sound.
        const complaint = e2fsck(device.content);
        if (complaint !== undefined) throw new Error(complaint);
      }
      model.compare();
      model.remount();
      model.compare();
      model.unmount();
      t.equal(e2fsck(device.content), undefined, where);
    } catch (error) {
      t.fail(`${where}, operation ${step}: ${String(error instanceof Error ? error.stack : error)}`);
    }
    t.comment([...model.answers].map(([answer, count]) => `${answer} ${count}`).join(', '));
  }
  t.end();
});
