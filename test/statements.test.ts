// The table of docs/statements.md has no open row: it has each statement, with tests that exist. The operation of a page at a time,
// which the newer document removes, is nowhere in the package.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import * as core from 'node-dax';
import { mount, mkfsSync } from 'node-dax/ext2';
import { MemoryDevice } from 'node-dax/testkit';

const ROOT = join(__dirname, '..', '..');
const STATEMENTS = 35;
const text = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const rows = text('docs/statements.md').split('\n').filter((line) => /^\| \d+ /.test(line)).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()));

t.test('each statement has a row, in order, and each row says where it is kept and which tests hold it', (test) => {
  test.strictSame(rows.map(([no]) => Number(no)), Array.from({ length: STATEMENTS }, (_, index) => index + 1));
  for (const [no, statement = '', kept = '', tests = ''] of rows) {
    test.ok(statement.length > 0 && kept.length > 0, `${no}: words`);
    test.match(tests, /^`[^`]+`(?:, `[^`]+`)*$/, `${no}: tests`);
  }
  test.end();
});

t.test('each test that the table names exists', (test) => {
  for (const [no, , , tests = ''] of rows) {
    for (const [, name = ''] of tests.matchAll(/`([^`]+)`/g)) {
      if (!name.endsWith('/*')) test.ok(existsSync(join(ROOT, 'test', `${name}.test.ts`)), `${no}: ${name}`);
      else test.ok(readdirSync(join(ROOT, 'test', name.slice(0, -2))).some((file) => file.endsWith('.test.ts')), `${no}: ${name}`);
    }
  }
  test.end();
});

// The names of an object's members, and of those of its class.
function membersOf(object: object): string[] {
  const names: string[] = [];
  for (let at: object | null = object; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at) as object | null) names.push(...Object.getOwnPropertyNames(at));
  return names;
}

t.test('neither the interface, nor ext2, nor the table of locks has get_xip_page and get_xip_mem', (test) => {
  const device = new MemoryDevice(new Uint8Array(1024 * 1024));
  mkfsSync(device);
  const ext2 = mount(device);
  const names = { core: Object.keys(core), inode: membersOf(new core.Inode({ blockSize: 4096, bdev: device }, 1)), ext2: membersOf(ext2), file: membersOf(core.DaxFile.prototype) };
  ext2.unmount();
  for (const [where, all] of Object.entries(names)) {
    test.ok(all.length > 3, `${where} has members`);
    test.strictSame(all.filter((name) => /xip|readpage|writepage/i.test(name)), [], where);
  }
  test.notMatch(text('docs/locks.md'), /xip/i);
  test.end();
});
