// Owns the page of reports: one HTML file with its pictures in it, which loads nothing from the network.

import { answersOf } from './answer.js';
import { NARROW, plots, targetPlots, WIDE, type Layout, type Plot } from './plots.js';
import type { JobResult, Report } from './report.js';
import { steadyCaveats } from './steady-caveats.js';
import { element, escape, STYLE } from './svg.js';
import { costTable, factsOf, rangeNote, speedTable, type Table } from './tables.js';
import { compareTargets, NOTHING_COMPARED, targetNote, targetTable } from './targets.js';

const PAGE_STYLE = `
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);max-width:1240px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;overflow-wrap:anywhere}.target>h1{margin-top:4rem;border-bottom:2px solid var(--ink)}h2{font-size:1.2rem;margin-top:2.5rem;border-bottom:1px solid var(--faint)}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px;margin:.8rem 0}
.scrolling{overflow-x:auto}
th,td{padding:.2rem .7rem .2rem 0;text-align:right;white-space:nowrap;border-bottom:1px solid var(--faint)}
th:first-child,td:first-child{text-align:left}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}
.warning{border-left:4px solid var(--direct);padding:.2rem .8rem;margin:.6rem 0}
.answer p{font-size:1.15rem;font-weight:600;margin:1rem 0 .2rem}.answer ul{margin:.2rem 0}.caveat{font-style:italic}
.done{font-weight:600}
.pictures{display:flex;flex-wrap:wrap;gap:16px}.pictures .narrow{display:none}
@media (max-width:640px){body{margin:1rem auto}dl{grid-template-columns:1fr}dd{margin-bottom:.3rem}.pictures .wide{display:none}.pictures .narrow{display:block}}
`;

function tableOf(table: Table, name: string): string {
  const cells = (tag: string, row: readonly string[]): string => row.map((cell) => element(tag, {}, escape(cell))).join('');
  return element(
    'div',
    { class: 'scrolling' },
    element(
      'table',
      { class: name },
      element('thead', {}, element('tr', {}, cells('th', table.head))),
      element('tbody', {}, ...table.rows.map((row) => element('tr', {}, cells('td', row)))),
    ),
  );
}

function paragraph(text: string, name?: string): string {
  return element('p', name === undefined ? {} : { class: name }, escape(text));
}

// Pictures side by side where there is room; nothing where there are none.
function row(...all: readonly string[]): string {
  return all.join('') === '' ? '' : element('div', { class: 'pictures' }, ...all);
}

// Each picture is in the page in two widths. The page shows the one that fits.
async function inBothWidths(draw: (layout: Layout) => Promise<Plot[]>): Promise<{ name: string; html: string }[]> {
  const narrow = await draw(NARROW);
  return (await draw(WIDE)).map(({ name, svg }, index) => ({
    name,
    html: element('div', { class: 'wide' }, svg) + element('div', { class: 'narrow' }, narrow[index]?.svg ?? ''),
  }));
}

// A heading, the tables and pictures of each promise, and what there is to add. `at` has the picture of a kind.
function partsOf(result: JobResult, at: (kind: string, name: string, index: number) => string): string[] {
  const { name, groups, absent } = result;
  const caveats = steadyCaveats(result);
  return [
    element('h2', {}, escape(name)),
    ...groups.flatMap((group, index) => [
      paragraph(`Done: ${group.done}.`, 'done'),
      tableOf(speedTable(group), 'speed'),
      row(at('ratio', name, index), at('latency', name, index)),
      tableOf(costTable(group), 'cost'),
      element('ul', {}, ...group.rows.map((one) => element('li', {}, escape(`${one.name}: ${one.how}`)))),
    ]),
    ...(caveats.length === 0 ? [] : [element('ul', {}, ...caveats.map((caveat) => element('li', { class: 'caveat' }, escape(caveat))))]),
    ...(absent.length === 0 ? [] : [element('ul', { class: 'absent' }, ...absent.map(({ name: driver, why }) => element('li', {}, escape(`without ${driver}: ${why}`))))]),
  ];
}

async function bodyOf(report: Report): Promise<string[]> {
  const pictures = await inBothWidths((layout) => plots(report, layout));
  const named = (start: string): string[] => pictures.filter(({ name }) => name.startsWith(start)).map(({ html }) => html);
  const byName = new Map(pictures.map(({ name, html }) => [name, html]));
  const at = (kind: string, name: string, index: number): string =>
    byName.get(`${kind}-${name}-${index + 1}`.replaceAll(/[^\w.-]+/g, '-')) ?? '';
  return [
    ...answersOf(report).map(({ sentence, promises, caveats }) =>
      element(
        'section',
        { class: 'answer' },
        paragraph(sentence),
        element('ul', {}, ...promises.map((promise) => element('li', {}, escape(promise))), ...caveats.map((caveat) => element('li', { class: 'caveat' }, escape(caveat)))),
      ),
    ),
    ...(report.complete ? [] : [paragraph('Interrupted: this is a part of what was asked for.', 'warning')]),
    ...report.warnings.map((warning) => paragraph(warning, 'warning')),
    element('dl', {}, ...factsOf(report).map(([name, fact]) => element('dt', {}, escape(name)) + element('dd', {}, escape(fact)))),
    paragraph(rangeNote(report)),
    ...(named('bandwidth').length > 0 ? [element('h2', {}, 'Bandwidth by block size'), row(...named('bandwidth'))] : []),
    ...report.results.flatMap((result) => partsOf(result, at)),
  ];
}

// What each driver does on the targets: a table and a picture for each promise of each job.
async function comparisonOf(reports: readonly [Report, ...Report[]]): Promise<string[]> {
  const comparisons = compareTargets(reports);
  const pictures = await inBothWidths((layout) => targetPlots(reports, layout));
  const note = targetNote(comparisons);
  return [
    element('ol', { class: 'targets' }, ...reports.map(({ subject }) => element('li', {}, escape(subject.path)))),
    ...(comparisons.length === 0 ? [paragraph(NOTHING_COMPARED)] : []),
    ...(note === undefined ? [] : [paragraph(note)]),
    ...comparisons.flatMap((comparison, index) => [
      element('h2', {}, escape(comparison.job)),
      paragraph(`Done: ${comparison.done}.`, 'done'),
      tableOf(targetTable(comparison), 'comparison'),
      row(...pictures.filter(({ name }) => name.startsWith('targets') && name.endsWith(`-${index + 1}`)).map(({ html }) => html)),
      ...(comparison.caveats.length === 0 ? [] : [element('ul', {}, ...comparison.caveats.map((caveat) => element('li', { class: 'caveat' }, escape(caveat))))]),
    ]),
  ];
}

/** The reports as HTML. Of several targets, what compares them comes first, then the report of each. */
export async function page(reports: readonly [Report, ...Report[]]): Promise<string> {
  const [first, ...others] = reports;
  const title = `node-dax bench: ${reports.map(({ subject }) => subject.path).join(', ')}`;
  const heading = element('h1', {}, escape(title));
  const body =
    others.length === 0
      ? [heading, ...(await bodyOf(first))]
      : [
          heading,
          ...(await comparisonOf(reports)),
          ...(await Promise.all(
            reports.map(async (report, index) => element('section', { class: 'target' }, element('h1', {}, escape(`${index + 1}: ${report.subject.path}`)), ...(await bodyOf(report)))),
          )),
        ];
  return `<!doctype html>\n${element(
    'html',
    { lang: 'en' },
    element(
      'head',
      {},
      '<meta charset="utf-8"/><meta name="viewport" content="width=device-width,initial-scale=1"/>',
      element('title', {}, escape(title)),
      element('style', {}, STYLE, PAGE_STYLE),
    ),
    element('body', {}, ...body),
  )}\n`;
}
