// Opens, writes, reads and views a file through the addon that this machine finds. Exit status 0 when it is right.
'use strict';

const assert = require('node:assert');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { openSync } = require('..');

const folder = mkdtempSync(join(tmpdir(), 'node-dax-smoke-'));
try {
  const device = openSync(join(folder, 'file'), { size: 65536 });
  assert.strictEqual(device.writeSync(Buffer.from('persistent'), 4090), 10);
  assert.strictEqual(Buffer.from(device.view(4090, 10)).toString(), 'persistent');
  device.closeSync();
  console.log(`fine: node ${process.version}, ${process.arch}`);
} finally {
  rmSync(folder, { recursive: true });
}
