// Where a device may have data, and where it has holes, as lseek(2) and the file's own content tell.

import { closeSync, ftruncateSync, mkdtempSync, openSync as openFile, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { dataRuns, openSync, partition, type BlockDevice, type DeviceRun } from 'node-dax';
import { seeded } from '../helpers/random.js';

const PAGE = 4096;
const PAGES = 64;

const folder = mkdtempSync('/dev/shm/node-dax-holes-');
t.teardown(() => { rmSync(folder, { recursive: true }); });

// On tmpfs a page that nobody wrote is a hole.
function fileOf(name: string, pages: readonly boolean[], size = pages.length * PAGE): string {
  const path = join(folder, name);
  const fd = openFile(path, 'w');
  ftruncateSync(fd, size);
  for (const [index, isData] of pages.entries()) if (isData) writeSync(fd, Buffer.alloc(Math.min(PAGE, size - index * PAGE), 1), 0, undefined, index * PAGE);
  closeSync(fd);
  return path;
}

function expected(pages: readonly boolean[], pos: number, length: number): DeviceRun[] {
  const runs: { pos: number; length: number }[] = [];
  for (let at = pos; at < pos + length; ) {
    const end = Math.min(pos + length, (Math.floor(at / PAGE) + 1) * PAGE);
    const last = runs.at(-1);
    if (pages[Math.floor(at / PAGE)] === true) {
      if (last !== undefined && last.pos + last.length === at) last.length += end - at;
      else runs.push({ pos: at, length: end - at });
    }
    at = end;
  }
  return runs;
}

t.test('the runs of data are those that were written, of a file and of a partition', (test) => {
  const random = seeded(test);
  const pages = Array.from({ length: PAGES }, () => random.below(3) === 0);
  using device = openSync(fileOf('random', pages), { readOnly: true });
  const first = 5 * PAGE;
  const part = partition(device, first / 512, (device.size - first) / 512);
  for (let round = 0; round < 300; round++) {
    const pos = first + random.below(device.size - first + 1);
    const length = random.below(device.size - pos + 1);
    const runs = expected(pages, pos, length);
    test.strictSame([...dataRuns(device, pos, length)], runs, `${length} at ${pos}`);
    test.strictSame([...dataRuns(part, pos - first, length)], runs.map((run) => ({ ...run, pos: run.pos - first })));
  }
  test.end();
});

t.test('a file that ends within a page, one without data, one without holes', (test) => {
  using odd = openSync(fileOf('odd', [false, true, true], 2 * PAGE + 100), { readOnly: true });
  test.strictSame([...dataRuns(odd, 0, odd.size)], [{ pos: PAGE, length: PAGE + 100 }]);
  test.equal(odd.seekData(odd.size, 0), undefined);
  using empty = openSync(fileOf('empty', [false, false]), { readOnly: true });
  test.strictSame([...dataRuns(empty, 0, empty.size)], []);
  using full = openSync(fileOf('full', [true, true]), { readOnly: true });
  test.strictSame([...dataRuns(full, 10, 5000)], [{ pos: 10, length: 5000 }]);
  test.end();
});

t.test('what is stored to a hole is data at once', (test) => {
  using device = openSync(fileOf('stored', [false, false, false]));
  device.writeSync(Buffer.from('x'), PAGE, { flush: false });
  test.strictSame([...dataRuns(device, 0, device.size)], [{ pos: PAGE, length: PAGE }]);
  test.end();
});

t.test('a device that does not tell may have data everywhere', (test) => {
  using device = openSync(fileOf('silent', [false, false, false, false]), { readOnly: true });
  const silent: BlockDevice = Object.assign(Object.create(device) as BlockDevice, { seekData: undefined });
  Object.defineProperty(silent, 'size', { value: device.size });
  test.strictSame([...dataRuns(silent, 100, PAGE)], [{ pos: 100, length: PAGE }]);
  test.strictSame([...dataRuns(silent, 100, 0)], []);
  test.end();
});

t.test('past the end, and of a closed device, nothing is told', (test) => {
  const device = openSync(fileOf('closed', [true]), { readOnly: true });
  test.throws(() => device.seekData(1, PAGE), { code: 'ERR_OUT_OF_RANGE' });
  test.throws(() => device.seekData(-1, 1), RangeError);
  device.closeSync();
  test.throws(() => device.seekData(0, 1), { code: 'EBADF' });
  test.end();
});
