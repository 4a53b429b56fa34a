// Where jobs go: in range, on blocks, repeatable, and as often as the distribution says.

import t from 'tap';
import { DEFAULTS, type Job, type Mode } from '../../lib/bench/jobs/job.js';
import { Walk } from '../../lib/bench/jobs/walk.js';

const BS = 4096;

function take(job: Partial<Job>, count: number, thread = 0): { positions: number[]; writes: number } {
  const positions = new Float64Array(count);
  const isWrite = new Uint8Array(count);
  new Walk({ ...DEFAULTS, rw: 'randread', bs: BS, size: 1024 * BS, ...job }, thread).fill(positions, isWrite, count);
  return { positions: [...positions], writes: isWrite.reduce((sum, one) => sum + one, 0) };
}

/** How often each block is met, most often first. */
function counts(positions: readonly number[]): number[] {
  const met = new Map<number, number>();
  for (const pos of positions) met.set(pos, (met.get(pos) ?? 0) + 1);
  return [...met.values()].sort((a, b) => b - a);
}

t.test('sequential jobs go from end to end, and begin again', (test) => {
  const { positions } = take({ rw: 'read', size: 10 * BS + 100 }, 25);
  test.strictSame(positions, Array.from({ length: 25 }, (_, i) => (i % 10) * BS));
  test.end();
});

t.test('every position is a whole block in the range', (test) => {
  const seed = Number(process.env['NODE_DAX_TEST_SEED'] ?? Date.now() % 1_000_000);
  test.comment(`NODE_DAX_TEST_SEED=${seed}`);
  const modes: Mode[] = ['read', 'write', 'randread', 'randwrite', 'rw', 'randrw'];
  const distributions: Job['random_distribution'][] = [
    { kind: 'random' },
    { kind: 'zipf', theta: 0.5 },
    { kind: 'zipf', theta: 1.2 },
    { kind: 'zipf', theta: 3 },
    { kind: 'pareto', h: 0.1 },
    { kind: 'pareto', h: 0.9 },
  ];
  for (const rw of modes) {
    for (const random_distribution of distributions) {
      for (const blocks of [1, 2, 3, 7, 1024, 100_003]) {
        const { positions } = take({ rw, random_distribution, size: blocks * BS + 17, randseed: seed }, 500);
        const wrong = positions.filter((pos) => pos % BS !== 0 || pos < 0 || pos / BS >= blocks);
        if (wrong.length > 0) test.fail(`${rw} ${JSON.stringify(random_distribution)} ${blocks} blocks`, { wrong });
      }
    }
  }
  test.pass('checked');
  test.end();
});

t.test('the seed decides, and threads part', (test) => {
  test.strictSame(take({ randseed: 7 }, 100), take({ randseed: 7 }, 100));
  test.notSame(take({ randseed: 7 }, 100), take({ randseed: 8 }, 100));
  test.notSame(take({}, 100, 0), take({}, 100, 1));
  test.end();
});

t.test('random meets every block about as often', (test) => {
  const met = counts(take({}, 102_400).positions);
  test.equal(met.length, 1024, 'all of them');
  // A Poisson variable of mean 100 is beyond six standard deviations once in a billion.
  test.ok((met[0] ?? 0) < 160 && (met.at(-1) ?? 0) > 40);
  test.end();
});

t.test('zipf meets the block of rank k in proportion to k^-theta', (test) => {
  for (const theta of [0.7, 1.2]) {
    const met = counts(take({ random_distribution: { kind: 'zipf', theta } }, 200_000).positions);
    let zeta = 0;
    for (let rank = 1; rank <= 1024; rank++) zeta += rank ** -theta;
    for (const rank of [1, 2]) {
      const wanted = (200_000 * rank ** -theta) / zeta;
      test.ok(Math.abs((met[rank - 1] ?? 0) / wanted - 1) < 0.1, `theta ${theta}, rank ${rank}`);
    }
    const hottest = met.slice(0, 102).reduce((sum, count) => sum + count, 0) / 200_000;
    let wanted = 0;
    for (let rank = 1; rank <= 102; rank++) wanted += rank ** -theta / zeta;
    test.ok(Math.abs(hottest / wanted - 1) < 0.15, `theta ${theta}, the hottest tenth: ${hottest} of ${wanted}`);
  }
  const { positions } = take({ random_distribution: { kind: 'zipf', theta: 1.2 } }, 10_000);
  const hot = [...new Set(positions)].filter((pos) => positions.filter((other) => other === pos).length > 100);
  test.ok(Math.max(...hot) - Math.min(...hot) > 1024 * BS * 0.3, 'hot blocks do not lie side by side');
  test.end();
});

t.test('pareto: the part h of the blocks has the part 1 - h of the accesses', (test) => {
  for (const h of [0.1, 0.2, 0.4]) {
    const met = counts(take({ random_distribution: { kind: 'pareto', h } }, 100_000).positions);
    const hot = met.slice(0, Math.round(1024 * h)).reduce((sum, count) => sum + count, 0) / 100_000;
    test.ok(Math.abs(hot - (1 - h)) < 0.03, `${h}: ${hot}`);
  }
  test.end();
});

t.test('mixed jobs read as much as they should', (test) => {
  for (const rwmixread of [0, 30, 70, 100]) {
    const { writes } = take({ rw: 'randrw', rwmixread }, 50_000);
    test.ok(Math.abs(writes / 50_000 - (1 - rwmixread / 100)) < 0.015, `${rwmixread}`);
  }
  const { positions } = take({ rw: 'rw', size: 1e6 * BS }, 1000);
  test.ok(counts(positions).every((count) => count <= 2), 'both ways go through the file by themselves');
  test.equal(take({ rw: 'randwrite' }, 10).writes, 10);
  test.equal(take({ rw: 'read' }, 10).writes, 0);
  test.end();
});
