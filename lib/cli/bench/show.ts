// Owns the forms in which `bench` shows a report: words, JSON, a page and pictures. The destinations of the report and of the
// latency logs are checked before anything is measured.

import { accessSync, constants, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { toFio } from '../../bench/report/fio-json.js';
import { answersOf } from '../../bench/report/answer.js';
import { changeTable, type Change } from '../../bench/report/compare.js';
import { page } from '../../bench/report/page.js';
import { pictureFiles } from '../../bench/report/plots.js';
import type { Report } from '../../bench/report/report.js';
import { steadyCaveats } from '../../bench/report/steady-caveats.js';
import { factsOf, narrowed, rangeNote, speedTable, type Table } from '../../bench/report/tables.js';
import { compareTargets, NOTHING_COMPARED, targetNames, targetNote, targetTable } from '../../bench/report/targets.js';
import { columns } from '../table.js';
import { terminalWidth, wrap } from '../width.js';

export interface Forms {
  json?: true;
  html?: string;
  svg?: string;
  write_lat_log?: string;
}

function text(table: Table): string {
  return columns(table.head.map((word) => word.toUpperCase()), table.rows);
}

function prose(words: string, first = '', others = '  '): void {
  const lines = wrap(words, terminalWidth() - Math.max(first.length, others.length));
  console.log(lines.map((line, index) => `${index === 0 ? first : others}${line}`).join('\n'));
}

// A table, with as many of its columns as there is room for.
function printTable(whole: Table): void {
  const { table, without } = narrowed(whole, (wide) => text(wide).split('\n').every((line) => line.length <= terminalWidth()));
  console.log(text(table));
  if (without.length > 0) prose(`no room for: ${without.join(', ')}`);
}

// Prints the answer, then what it was measured on, then all figures.
function print(report: Report): void {
  for (const { sentence, promises, caveats } of answersOf(report)) {
    prose(sentence, '', '');
    for (const promise of promises) prose(promise, '  ', '    ');
    for (const caveat of caveats) prose(`but: ${caveat}`, '  ', '    ');
    console.log();
  }
  for (const [name, fact] of factsOf(report)) prose(`${`${name}:`.padEnd(12)}${fact}`);
  for (const warning of report.warnings) {
    console.log();
    prose(`warning: ${warning}`);
  }
  for (const result of report.results) {
    const { name, groups, absent } = result;
    for (const group of groups) {
      console.log();
      prose(`${name}: ${group.done}`);
      console.log();
      printTable(speedTable(group));
    }
    for (const caveat of steadyCaveats(result)) prose(`but: ${caveat}`);
    for (const { name: driver, why } of absent) prose(`without ${driver}: ${why.split('\n')[0] ?? ''}`);
  }
  console.log();
  prose(rangeNote(report), '', '');
}

function areOne(...paths: readonly [string, string]): boolean {
  const [one, other] = paths.map((path) => statSync(path, { bigint: true, throwIfNoEntry: false }));
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev;
}

/**
 * Call it before measuring: throws the errors that writing the page and the pictures would throw afterwards, and `RangeError` for a
 * page that would overwrite `source`. The page overwrites a file of its name without asking, but no option allows it to overwrite
 * `source`.
 */
export function checkForms({ html, svg, write_lat_log: log }: Forms, source: string): void {
  if (html !== undefined) {
    if (areOne(source, html)) throw new RangeError(`--html would overwrite ${source}: give it another name`);
    accessSync(dirname(html), constants.W_OK);
  }
  if (log !== undefined) accessSync(dirname(log), constants.W_OK);
  if (svg !== undefined) mkdirSync(svg, { recursive: true });
}

function printChanges(changes: readonly Change[]): void {
  console.log();
  printTable(changeTable(changes));
}

function printTargets(reports: readonly [Report, ...Report[]]): void {
  const comparisons = compareTargets(reports);
  console.log();
  if (comparisons.length === 0) prose(NOTHING_COMPARED, '', '');
  else prose(`Targets: ${targetNames(reports)}`);
  for (const comparison of comparisons) {
    console.log();
    prose(`${comparison.job}: ${comparison.done}`);
    console.log();
    printTable(targetTable(comparison));
    for (const caveat of comparison.caveats) prose(`but: ${caveat}`);
  }
  const note = targetNote(comparisons);
  if (note === undefined) return;
  console.log();
  prose(note, '', '');
}

/**
 * Prints the reports, compares them if there are several, prints the changes since earlier reports, and writes the other forms that
 * the user asked for.
 */
export async function show(reports: readonly [Report, ...Report[]], { html, svg, json }: Forms, changes?: readonly Change[]): Promise<void> {
  if (html !== undefined) writeFileSync(html, await page(reports));
  if (svg !== undefined) {
    for (const { name, svg: picture } of await pictureFiles(reports)) writeFileSync(join(svg, `${name}.svg`), picture);
  }
  if (json === true) {
    console.log(JSON.stringify({ ...toFio(reports), ...(changes && { 'node-dax-compare': changes }) }, null, 2));
    return;
  }
  for (const [index, report] of reports.entries()) {
    if (index > 0) console.log();
    print(report);
  }
  if (reports.length > 1) printTargets(reports);
  if (changes !== undefined && changes.length > 0) printChanges(changes);
}
