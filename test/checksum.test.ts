// The checksum by the processor's instruction is the one by a table, which processors without the instruction use.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';

t.test('CRC32C by the instruction and by a table', (test) => {
  const seed = process.env['NODE_DAX_TEST_SEED'] ?? String(Date.now() % 100_000);
  test.comment(`NODE_DAX_TEST_SEED=${seed}`);
  const program = join(__dirname, '..', '..', 'build', 'Release', 'checksum_test');
  const { status, stdout, stderr } = spawnSync(program, [seed], { encoding: 'utf8' });
  test.strictSame({ status, stdout, stderr }, { status: 0, stdout: 'the same by a table\n', stderr: '' });
  test.end();
});
