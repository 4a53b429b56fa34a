// The oracle of the crash test tells what a power cut may leave from what it may not, and ACE's workloads are understood.

import { existsSync } from 'node:fs';
import t from 'tap';
import { ACE_CORPUS, aceWorkloads, parseAce } from '../helpers/ace.js';
import { describeOperation, TreeModel, type Found, type Tree, type TreeOperation } from '../helpers/tree-model.js';
import { TreeHistory } from '../helpers/tree-oracle.js';

const text = (content: string) => Buffer.from(content);

const OPERATIONS: readonly TreeOperation[] = [
  { kind: 'mkdir', path: 'A' },
  { kind: 'create', path: 'a' },
  { kind: 'write', path: 'a', pos: 0, bytes: text('old') },
  { kind: 'fsync', path: 'a' },
  { kind: 'write', path: 'a', pos: 0, bytes: text('new, longer') },
  { kind: 'link', from: 'a', to: 'A/b' },
  { kind: 'rename', from: 'a', to: 'A/c' },
  { kind: 'rename', from: 'A', to: 'B' },
  { kind: 'sync' },
  { kind: 'unlink', path: 'B/b' },
];

function historyOf(isSynchronous: boolean): { trees: Tree[]; history: TreeHistory } {
  const model = new TreeModel();
  const trees = [model.tree];
  for (const operation of OPERATIONS) {
    if (!model.allows(operation)) throw new Error(describeOperation(operation));
    model.apply(operation);
    trees.push(model.tree);
  }
  return { trees, history: new TreeHistory(trees, OPERATIONS, isSynchronous) };
}

// Other inode numbers, as a filesystem has.
const seen = (tree: Tree): Tree => new Map([...tree].map(([path, found]) => [path, { ...found, ino: found.ino + 10 }]));

const directory: Found = { kind: 'directory', ino: 100, content: new Uint8Array() };
const file = (content: string, ino = 1): Found => ({ kind: 'file', ino, content: text(content) });

t.test('before, after, and nothing else', (t) => {
  const { trees, history } = historyOf(true);
  for (const [completed, tree] of trees.entries()) {
    for (const found of [completed - 1, completed, completed + 1]) {
      const other = trees[found];
      if (other === undefined) continue;
      const isSame = JSON.stringify([...other]) === JSON.stringify([...tree]);
      const atRest = () => { history.check(seen(other), completed, false); };
      const underway = () => { history.check(seen(other), completed, true); };
      if (isSame) t.doesNotThrow(atRest);
      else t.throws(atRest, `tree ${found} after ${completed} operations`);
      if (isSame || found === completed + 1) t.doesNotThrow(underway);
      else t.throws(underway, `tree ${found} while operation ${completed} is under way`);
    }
  }
  t.end();
});

t.test('a file that is renamed may be found under both names, and under no other two', (t) => {
  const { history } = historyOf(true);
  const content = file('new, longer');
  const both: Tree = new Map([['A', directory], ['A/b', content], ['A/c', content], ['a', content]]);
  t.doesNotThrow(() => { history.check(both, 6, true); });
  t.throws(() => { history.check(both, 6, false); }, /^the names are wrong: \+ A\/c is file 1$/);
  t.throws(() => { history.check(both, 7, false); });
  const twoFiles = new Map([...both, ['A/c', file('new, longer', 2)]]);
  t.throws(() => { history.check(twoFiles, 6, true); });
  const folders: Tree = new Map([
    ['A', directory], ['A/b', content], ['A/c', content], ['B', directory], ['B/b', content], ['B/c', content],
  ]);
  t.doesNotThrow(() => { history.check(folders, 7, true); });
  t.end();
});

t.test('bytes of a write under way', (t) => {
  const { history } = historyOf(true);
  const found = (content: string): Tree => new Map([['A', directory], ['a', file(content)]]);
  const underway = (content: string) => () => { history.check(found(content), 4, true); };
  for (const content of ['old', 'new', 'oed', 'new, longer', 'old, longer', 'new\0\0longer']) t.doesNotThrow(underway(content));
  t.throws(underway('onw'), 'another byte');
  t.throws(underway('\0ew'), 'a byte that was there, and is zero');
  t.throws(underway('new, '), 'a size between');
  t.throws(underway(''), 'a size before');
  t.throws(() => { history.check(found('new, longer'), 4, false); }, 'none is under way');
  t.end();
});

t.test('what was not acknowledged may be there or not', (t) => {
  const { trees, history } = historyOf(false);
  for (const [index, tree] of trees.slice(0, 9).entries()) {
    const works = () => { history.check(seen(tree), 8, false); };
    // fsync of a file promises its content, not its names.
    const hasOld = [...tree.values()].some(({ kind, content }) => kind === 'file' && content.byteLength === 0);
    if (hasOld) t.throws(works, `tree ${index}`);
    else t.doesNotThrow(works, `tree ${index}`);
  }
  t.throws(() => { history.check(seen(trees[8] as Tree), 3, false); }, 'what is yet to be done');
  t.throws(() => { history.check(seen(trees[7] as Tree), 9, false); }, 'what was before the sync');
  t.doesNotThrow(() => { history.check(seen(trees[9] as Tree), 10, false); }, 'what was not synced');
  t.end();
});

t.test("ACE's workloads", { skip: existsSync(ACE_CORPUS) ? false : `${ACE_CORPUS} is not here` }, (t) => {
  const workloads = aceWorkloads();
  t.equal(workloads.length, 56);
  const kinds = new Map<string, number>();
  for (const { name, setup, operations, refused } of workloads) {
    const model = new TreeModel();
    for (const operation of [...setup, ...operations]) {
      // One asks for a directory within itself.
      t.equal(model.allows(operation), name !== 'j-lang49' || operation.kind !== 'rename', `${name}: ${describeOperation(operation)}`);
      if (model.allows(operation)) model.apply(operation);
    }
    t.equal(operations.length + refused.length, 1, `${name} has one operation`);
    for (const { kind } of operations) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  t.strictSame(Object.fromEntries(kinds), { create: 2, mkdir: 1, write: 4, link: 12, unlink: 10, rename: 16, truncate: 4, rmdir: 1 });
  t.throws(() => parseAce('x', '# run\nmknod foo\n'), /mknod/);
  t.end();
});
