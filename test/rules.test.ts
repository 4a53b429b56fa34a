// The rules that code, tests and documents cite are written down, and tests are named by sentences.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const ROOT = join(__dirname, '..', '..');
const RULES = join('docs', 'rules.md');

// Groups of rules alone, so neither UTF-8 nor AVX-512 is one.
const GROUPS = ['DA', 'GB', 'IO', 'FT', 'U', 'MK', 'TR', 'LK', 'MS', 'PS', 'PO', 'CW', 'IN', 'DD'];
const ID = `(?<![\\w-])(?:${GROUPS.join('|')})-\\d+(?:\\.\\d+)?(?![\\w-])`;
// Such as FT-1 to FT-12.
const RANGE = new RegExp(`(?<![\\w-])([A-Z]+)-(\\d+) (?:to|…) \\1-(\\d+)(?![\\w-])`, 'g');

function filesIn(folder: string, name: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesIn(path, name);
    return name.test(entry.name) ? [path] : [];
  });
}

const SOURCES = ['src', 'lib', 'native', 'test', 'docs', 'benchmarks', 'scripts']
  .flatMap((folder) => filesIn(folder, /\.(?:ts|cc|h|md|mjs|cjs)$/))
  .filter((path) => path !== RULES && path !== join('test', 'rules.test.ts'))
  .concat('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md');
const text = (path: string) => readFileSync(join(ROOT, path), 'utf8');

function citedIn(path: string): string[] {
  const content = text(path);
  const ranges = [...content.matchAll(RANGE)].flatMap(([, group = '', first, last]) =>
    Array.from({ length: Number(last) - Number(first) + 1 }, (_, n) => `${group}-${Number(first) + n}`),
  );
  return [...ranges.filter((id) => new RegExp(`^${ID}$`).test(id)), ...(content.match(new RegExp(ID, 'g')) ?? [])];
}

const written = [...text(RULES).matchAll(/^- \*\*([^*]+)\*\*: /gm)].map(([, id = '']) => id);
const groups = [...text(RULES).matchAll(/^## ([A-Z]+): /gm)].map(([, group = '']) => group);

t.test('every rule that is cited is in docs/rules.md', (test) => {
  for (const path of SOURCES) {
    const unknown = [...new Set(citedIn(path))].filter((id) => !written.includes(id));
    test.strictSame(unknown, [], path);
  }
  test.end();
});

t.test('docs/rules.md has each rule once, in its group, and only rules that are cited', (test) => {
  test.strictSame(groups, GROUPS);
  test.strictSame([...new Set(written)], written, 'each is there once');
  test.ok(written.every((id) => new RegExp(`^${ID}$`).test(id)));
  const order = written.map((id) => GROUPS.indexOf(id.split('-')[0] ?? ''));
  test.strictSame(order, [...order].sort((a, b) => a - b), 'groups in their order');
  const cited = new Set(SOURCES.flatMap(citedIn));
  test.strictSame(written.filter((id) => !cited.has(id)), [], 'each is cited');
  test.end();
});

t.test('every rule is one sentence', (test) => {
  const items = text(RULES).trim().split(/\n\n|\n(?=- )/).filter((block) => block.startsWith('- '));
  test.strictSame(items.filter((item) => !/^- \*\*[^*]+\*\*: [A-Z`][^]*\.$/.test(item) || /\.\s+[A-Z]/.test(item)), []);
  test.end();
});

t.test('no comment is an id alone', (test) => {
  const alone = new RegExp(`^ *(?://|/?\\*+) *${ID}(?:(?:,| and| to) ${ID})*[.:]?(?: *\\*/)?$`, 'gm');
  for (const path of SOURCES) test.strictSame(text(path).match(alone) ?? [], [], path);
  test.end();
});

t.test('no test is named by a number or by an id, and no assertion by an id alone', (test) => {
  const title = new RegExp(`\\b(?:test|on[A-Z]\\w*)\\(\\s*['"\`](?:\\d|${ID}).*`, 'g');
  const assertion = new RegExp(`.*, ['"\`](?:\\d+, )?${ID}['"\`]\\);`, 'g');
  for (const path of filesIn('test', /\.test\.ts$/)) {
    const content = text(path);
    test.strictSame([...(content.match(title) ?? []), ...(content.match(assertion) ?? [])], [], path);
  }
  test.end();
});
