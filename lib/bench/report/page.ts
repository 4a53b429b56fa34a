// Owns the page of a report: one HTML file with its pictures in it, which loads nothing from the network.

import { answersOf } from './answer.js';
import { NARROW, plots, WIDE } from './plots.js';
import type { Report } from './report.js';
import { element, escape, STYLE } from './svg.js';
import { costTable, factsOf, rangeNote, speedTable, type Table } from './tables.js';

const PAGE_STYLE = `
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);max-width:1240px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem;border-bottom:1px solid var(--faint)}
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

/** The report as HTML. */
export async function page(report: Report): Promise<string> {
  // Each picture is in the page in two widths. The page shows the one that fits.
  const narrow = await plots(report, NARROW);
  const pictures = (await plots(report, WIDE)).map(({ name, svg }, index) => ({
    name,
    html: element('div', { class: 'wide' }, svg) + element('div', { class: 'narrow' }, narrow[index]?.svg ?? ''),
  }));
  const row = (...all: readonly string[]): string => (all.join('') === '' ? '' : element('div', { class: 'pictures' }, ...all));
  const named = (start: string): string[] => pictures.filter(({ name }) => name.startsWith(start)).map(({ html }) => html);
  const byName = new Map(pictures.map(({ name, html }) => [name, html]));
  const at = (kind: string, name: string, index: number): string =>
    byName.get(`${kind}-${name}-${index + 1}`.replaceAll(/[^\w.-]+/g, '-')) ?? '';
  const title = `node-dax bench: ${report.subject.path}`;
  const body = [
    element('h1', {}, escape(title)),
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
    ...report.results.flatMap(({ name, groups, absent }) => [
      element('h2', {}, escape(name)),
      ...groups.flatMap((group, index) => [
        paragraph(`Done: ${group.done}.`, 'done'),
        tableOf(speedTable(group), 'speed'),
        row(at('ratio', name, index), at('latency', name, index)),
        tableOf(costTable(group), 'cost'),
        element('ul', {}, ...group.rows.map((row) => element('li', {}, escape(`${row.name}: ${row.how}`)))),
      ]),
      ...(absent.length === 0 ? [] : [element('ul', { class: 'absent' }, ...absent.map(({ name: driver, why }) => element('li', {}, escape(`without ${driver}: ${why}`))))]),
    ]),
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
