// Figures over several trials: medians, and ranges that promise what they say.

import t from 'tap';
import { formatBandwidth, formatIops, formatRatio, formatSize, formatTime } from '../../lib/bench/report/notation.js';
import { median, middle, spread, toldBy, type Latency, type Trial } from '../../lib/bench/trials/figures.js';

t.test('medians', (test) => {
  test.equal(median([3, 1, 2]), 2);
  test.equal(median([4, 1, 2, 3]), 2.5);
  test.end();
});

// The true median lies outside the k-th smallest and largest of n with twice the tail of n throws of a coin.
t.test('a range says how probably it holds the median', (test) => {
  const values = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
  const wanted: [count: number, low: number, high: number, confidence: number][] = [
    [1, 1, 1, 0],
    [2, 1, 2, 0.5],
    [3, 1, 3, 0.75],
    [5, 1, 5, 0.9375],
    [6, 1, 6, 0.96875],
    [8, 1, 8, 0.9921875],
    [9, 2, 8, 0.9609375],
    [20, 6, 15, 0.9586],
  ];
  for (const [count, low, high, confidence] of wanted) {
    const found = spread(values(count));
    test.match(found, { low, high }, `${count} values`);
    test.ok(Math.abs(found.confidence - confidence) < 1e-4, `${count} values: ${found.confidence}`);
  }
  test.end();
});

t.test('operations tell no percentile that takes more of them', (test) => {
  test.equal(toldBy(0), 0);
  test.equal(toldBy(1), 0);
  test.equal(toldBy(100), 13, 'up to p99');
  test.equal(toldBy(9_999), 16, 'up to p99.95');
  test.equal(toldBy(10_000), 17);
  test.end();
});

t.test('one trial stands for several', (test) => {
  const latency = (value: number, told: number): Latency => ({
    count: 100,
    min: value,
    max: value * 10,
    mean: value,
    stddev: 1,
    percentiles: Array.from({ length: told }, () => value),
  });
  const trial = (value: number, told: number): Trial => ({
    read: { operations: value, bytes: value, iops: value, bw: value, latency: latency(value, told) },
    seconds: 1,
    usr_cpu: value,
    sys_cpu: 0,
    ctx: 0,
    majf: 0,
    minf: 0,
  });
  const { read, write, gc, usr_cpu } = middle([trial(10, 13), trial(30, 15), trial(20, 13)]);
  test.equal(read?.iops, 20);
  test.match(read?.latency, { min: 10, max: 300, mean: 20 });
  test.strictSame(read?.latency.percentiles, Array.from({ length: 13 }, () => 20), 'those that every trial tells');
  test.strictSame({ write, gc, usr_cpu }, { write: undefined, gc: undefined, usr_cpu: 20 });
  test.end();
});

t.test('figures as people read them', (test) => {
  test.strictSame([0.004321, 0.37, 0.999, 1, 7.577, 12.34, 250].map(formatRatio), ['0.0043', '0.37', '1', '1', '7.58', '12.3', '250']);
  test.strictSame([999, 999.9, 1740, 12_345, 6.54e6].map(formatIops), ['999', '1.00 k', '1.74 k', '12.3 k', '6.54 M']);
  test.strictSame([52, 1620, 2.2e6, 3e9].map(formatTime), ['52 ns', '1.62 µs', '2.20 ms', '3.00 s']);
  test.strictSame([512, 6.8 * 1024 ** 3].map(formatBandwidth), ['512 B/s', '6.80 GiB/s']);
  test.equal(formatSize(256 * 1024 ** 2), '256 MiB');
  test.end();
});
