// The files behind NVDIMMs: what is made, what is refused, what is left.

import t from 'tap';
import { existsSync, fstatSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBacking } from '../../lib/vm/memory/backing-file.js';
import { MIB } from '../../lib/vm/size.js';

const size = 64 * MIB;

t.test('a device without a file leaves no name behind', (t) => {
  const { TMPDIR } = process.env;
  process.env['TMPDIR'] = t.testdir({});
  t.teardown(() => {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
  });
  const backing = openBacking({ size, kind: 'pmem' });
  t.ok('fd' in backing.source && fstatSync(backing.source.fd).size === size);
  t.strictSame(readdirSync(process.env['TMPDIR']), []);
  t.ok(backing.fresh);
  backing.release();
  t.end();
});

t.test('a new file gets its name when it is provisioned', (t) => {
  const folder = t.testdir({});
  const file = join(folder, 'a.img');
  const abandoned = openBacking({ size, kind: 'pmem', file });
  t.ok(abandoned.fresh && !existsSync(file));
  abandoned.release();
  t.strictSame(readdirSync(folder), [], 'a run that failed leaves nothing');

  const kept = openBacking({ size, kind: 'pmem', file });
  kept.keep();
  kept.release();
  t.strictSame(readdirSync(folder), ['a.img']);
  t.equal(statSync(file).size, size);
  t.equal(openBacking({ size, kind: 'pmem', file }).fresh, false, 'what exists is not fresh');
  t.end();
});

t.test('nothing takes the place of a file', (t) => {
  const file = join(t.testdir({}), 'a.img');
  const backing = openBacking({ size, kind: 'pmem', file });
  writeFileSync(file, 'mine');
  t.throws(() => { backing.keep(); }, { name: 'VmError', message: /cannot keep the NVDIMM file .*EEXIST/ });
  backing.release();
  t.equal(statSync(file).size, 4);
  t.end();
});

t.test('files that cannot be an NVDIMM of that size', (t) => {
  const folder = t.testdir({ short: 'x', folder: {} });
  t.throws(() => openBacking({ size, kind: 'pmem', file: join(folder, 'short') }), { message: /it is 1 bytes: give the size it was made with/ });
  t.throws(() => openBacking({ size, kind: 'pmem', file: join(folder, 'folder') }), { message: /it is no ordinary file/ });
  t.throws(() => openBacking({ size, kind: 'pmem', file: join(folder, 'no', 'a') }), { name: 'VmError', message: /cannot create the NVDIMM file/ });
  t.end();
});
