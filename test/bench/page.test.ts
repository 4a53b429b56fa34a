// The page of a report in a browser: what is in it, that nothing is cut off, light and dark, and that it asks no network.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import t from 'tap';
import { driverNames } from '../../lib/bench/index.js';
import { fromFio } from '../../lib/bench/report/fio-json.js';
import { page as pageOf } from '../../lib/bench/report/page.js';
import { pictureFiles } from '../../lib/bench/report/plots.js';
import type { Report } from '../../lib/bench/report/report.js';
import { STYLE } from '../../lib/bench/report/svg.js';
import { compareTargets } from '../../lib/bench/report/targets.js';

const RESULT = join(__dirname, '..', '..', '..', 'benchmarks', 'results', 'guest-ext4.json');
const CHROMIUM = process.env['NODE_DAX_TEST_CHROMIUM'] ?? '/usr/bin/chromium';

t.setTimeout(300_000);

const [report] = fromFio(readFileSync(RESULT, 'utf8'));
const launched = spawnSync(CHROMIUM, ['--version']).status === 0;
const missing = `there is no ${CHROMIUM}: apt-get install chromium, or name another in NODE_DAX_TEST_CHROMIUM`;
if (!launched && process.env['CI'] !== undefined) t.fail(missing);

// A browser that is asked for a file alone has no business with a network.
const QUIET = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

async function withBrowser(run: (browser: Browser) => Promise<void>): Promise<void> {
  // Chromium refuses a sandbox to root.
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: [...QUIET, ...sandbox] });
  try {
    await run(browser);
  } finally {
    await browser.close();
  }
}

// In the page: what of a picture lies outside its frame. Text, because the types of a page are not those of Node.
const CUT_OFF = `[...document.querySelectorAll('svg.plot')].filter((svg) => svg.checkVisibility()).flatMap((svg) => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text, circle, rect, path')].filter((shape) => {
    const { left, right, top, bottom } = shape.getBoundingClientRect();
    return left < frame.left - 1 || right > frame.right + 1 || top < frame.top - 1 || bottom > frame.bottom + 1;
  }).map((shape) => svg.getAttribute('aria-label') + ': ' + (shape.textContent || shape.tagName));
})`;

const groups = report.results.flatMap((result) => result.groups);
const count = (page: Page, selector: string): Promise<number> => page.locator(selector).count();

t.test('the page', { skip: !launched && missing }, async (test) => {
  const path = join(test.testdir(), 'report.html');
  writeFileSync(path, await pageOf([report]));
  await withBrowser(async (browser) => {
    const page = await browser.newPage({ colorScheme: 'light', viewport: { width: 1280, height: 900 } });
    const requests: string[] = [];
    const errors: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => errors.push(message.text()));
    await page.goto(`file://${path}`);
    test.strictSame(requests, [`file://${path}`], 'it asks for nothing else');
    test.strictSame(errors, []);

    test.equal(await page.locator('h1').textContent(), `node-dax bench: ${report.subject.path}`);
    test.strictSame(await page.locator('p.warning').allTextContents(), report.warnings);
    test.equal(await page.locator('dd').first().textContent(), report.command);
    test.equal(await count(page, 'table.speed'), groups.length);
    test.equal(await count(page, 'table.cost'), groups.length);
    test.strictSame(await page.locator('p.done').allTextContents(), groups.map(({ done }) => `Done: ${done}.`));
    for (const [index, group] of groups.entries()) {
      const drivers = await page.locator('table.speed').nth(index).locator('tbody td:first-child').allTextContents();
      test.strictSame(drivers, group.rows.map(({ name }) => name));
    }

    const bars = page.locator('.wide rect[data-driver]');
    const ratios = groups.flatMap(({ rows }) => rows).filter(({ ratio }) => ratio !== undefined);
    test.equal(await bars.count(), ratios.length, 'a bar for each ratio');
    test.strictSame(await page.evaluate(CUT_OFF), [], 'nothing is cut off');
    test.ok((await count(page, 'svg.plot')) > 4);

    // A picture is as wide as it was drawn, so its letters are as large as the others, and nothing is wider than the page.
    for (const [width, shown, beside] of [[1280, 600, true], [800, 600, false], [390, 350, false]] as const) {
      await page.setViewportSize({ width, height: 844 });
      const boxes = await Promise.all((await page.locator('.pictures:has(rect[data-driver])').first().locator('svg.plot:visible').all()).map((picture) => picture.boundingBox()));
      test.ok(boxes.length === 2 && boxes.every((box) => box?.width === shown), `${width}: ${JSON.stringify(boxes)}`);
      test.equal(boxes[0]?.y === boxes[1]?.y, beside, `${width}: two beside each other where there is room`);
      test.strictSame(await page.evaluate(CUT_OFF), [], `${width}: nothing is cut off`);
      test.ok(Number(await page.evaluate('document.documentElement.scrollWidth')) <= width, `${width}: tables scroll in themselves`);
    }
    await page.setViewportSize({ width: 1280, height: 900 });

    const ground = (): Promise<string> => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const light = await ground();
    await page.emulateMedia({ colorScheme: 'dark' });
    test.not(await ground(), light, 'light and dark');

    const shots = process.env['NODE_DAX_TEST_SCREENSHOTS'];
    if (shots !== undefined) {
      mkdirSync(shots, { recursive: true });
      for (const colorScheme of ['light', 'dark'] as const) {
        for (const width of [1280, 390]) {
          await page.setViewportSize({ width, height: 900 });
          await page.emulateMedia({ colorScheme });
          await page.screenshot({ path: join(shots, `report-${colorScheme}-${width}.png`), fullPage: true });
        }
      }
    }
  });
});

t.test('what was measured is where it should be drawn', { skip: !launched && missing }, async (test) => {
  const path = join(test.testdir(), 'report.html');
  writeFileSync(path, await pageOf([report]));
  await withBrowser(async (browser) => {
    const page = await browser.newPage();
    await page.goto(`file://${path}`);
    // The bar of a driver that is faster than the base goes right from 1, that of a slower one left, and further for more.
    for (const picture of await page.locator('.wide svg.plot:has(rect[data-driver])').all()) {
      const one = Number(await picture.locator('line.one').getAttribute('x1'));
      const bars = await Promise.all(
        (await picture.locator('rect[data-driver]').all()).map(async (bar) => ({
          x: Number(await bar.getAttribute('x')),
          width: Number(await bar.getAttribute('width')),
          ratio: Number(/: ([\d.]+)/.exec((await bar.textContent()) ?? '')?.[1]),
        })),
      );
      const ends = bars.map(({ x, width, ratio }) => ({ ratio, end: ratio >= 1 ? x + width : x }));
      for (const { ratio, end } of ends) test.ok(ratio >= 1 ? end >= one - 0.1 : end <= one + 0.1, `${ratio}`);
      // Ratios are written with few digits: bars of the same one may differ.
      const wrong = ends.filter(({ ratio, end }) => ends.some((other) => other.ratio > ratio && other.end < end));
      test.strictSame(wrong, []);
    }
  });
});

t.test('words from outside do not become markup', async (test) => {
  const hostile: Report = {
    ...report,
    command: '<script>alert(1)</script>',
    warnings: ['<img src=x onerror=alert(1)> & "more"'],
    subject: { ...report.subject, path: '/tmp/<b>"&' },
    results: report.results.map((result) => ({ ...result, name: `<i>${result.name}`, absent: [{ driver: 'x', name: 'x', why: '<u>' }] })),
  };
  const html = await pageOf([hostile]);
  test.notMatch(html, /<script|<img|<b>|<i>|<u>/);
  test.match(html, /&lt;script&gt;alert\(1\)&lt;\/script&gt;/);
  for (const { svg } of await pictureFiles([hostile])) test.notMatch(svg, /<i>/);
});

t.test('a report that is interrupted says so, and one of nothing is a page too', async (test) => {
  const html = await pageOf([{ ...report, complete: false, results: [] }]);
  test.match(html, /Interrupted/);
  test.notMatch(html, /<svg/);
});

t.test('every driver has a colour', (test) => {
  test.strictSame(driverNames().filter((driver) => !STYLE.includes(`--${driver}:#`)), []);
  test.end();
});

// The same figures, slower by a part that differs from round to round.
const other: Report = {
  ...report,
  subject: { ...report.subject, path: '/mnt/other/a-name-that-is-so-long-that-no-line-of-a-telephone-holds-it' },
  results: report.results.map((result) => ({
    ...result,
    groups: result.groups.map((group) => ({ ...group, rows: group.rows.map((row) => ({ ...row, rounds: row.rounds.map((iops, round) => iops / (2 + round)) })) })),
  })),
};

t.test('the page of two targets: what compares them, and the report of each', { skip: !launched && missing }, async (test) => {
  const path = join(test.testdir(), 'report.html');
  writeFileSync(path, await pageOf([report, other]));
  const comparisons = compareTargets([report, other]);
  test.ok(comparisons.length > 1);
  await withBrowser(async (browser) => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(`file://${path}`);
    test.strictSame(await page.locator('ol.targets li').allTextContents(), [report.subject.path, other.subject.path]);
    test.equal(await count(page, 'table.comparison'), comparisons.length);
    test.equal(await count(page, 'section.target'), 2);
    test.equal(await count(page, 'section.target table.speed'), 2 * groups.length);
    const bars = (picture: string): Promise<number> => count(page, `${picture} rect[data-driver]`);
    const compared = comparisons.flatMap(({ figures }) => figures.filter(({ ratio }) => ratio !== undefined));
    test.equal((await bars('.wide')) - (await bars('section.target .wide')), compared.length, 'a bar for each driver on the second target');
    const first = page.locator('.wide rect[data-driver]').first();
    test.match(await first.textContent(), /: 0\.\d+ \(0\.\d+–0\.5\)$/, 'a ratio with its range');
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 844 });
      test.strictSame(await page.evaluate(CUT_OFF), [], `${width}: nothing is cut off`);
      test.ok(Number(await page.evaluate('document.documentElement.scrollWidth')) <= width, `${width}: tables scroll in themselves`);
    }
    const shots = process.env['NODE_DAX_TEST_SCREENSHOTS'];
    if (shots !== undefined) {
      mkdirSync(shots, { recursive: true });
      for (const [width, colorScheme] of [[1280, 'light'], [390, 'dark']] as const) {
        await page.setViewportSize({ width, height: 900 });
        await page.emulateMedia({ colorScheme });
        await page.screenshot({ path: join(shots, `targets-${colorScheme}-${width}.png`), fullPage: true });
      }
    }
  });
});

t.test('each picture of two targets has a name of its own', async (test) => {
  const names = (await pictureFiles([report, other])).map(({ name }) => name);
  test.equal(new Set(names).size, names.length);
  test.ok(['targets-', '1-latency-', '2-latency-'].every((start) => names.some((name) => name.startsWith(start))), names.join(' '));
});
