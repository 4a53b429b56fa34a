// Two guests at one time with one memory: two kernels, as of two hosts, and a famfs on what they share.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t, { type Test } from 'tap';
import { startVm, vmObstacle, type Vm } from 'node-dax/vm';
import { SYSTEM_UUID } from '../helpers/famfs-image.js';
import { amount, THOROUGH } from '../helpers/thorough.js';
import { MIB } from '../../lib/vm/size.js';

// Each guest takes seconds to boot, and more where it is emulated on a machine that has other things to do.
t.setTimeout(1_800_000);

const MAIN = join(__dirname, '..', 'helpers', 'famfs-main.js');
const FILES = amount({ short: 100, thorough: 300, long: 10_000 });
// The log, and for each file 2 MiB, of which a page or two are touched. What the kernel keeps of the pages takes 1/64 of them.
const SIZE = 128 * MIB * Math.ceil((64 + 2.1 * FILES) / 128);
const obstacle = vmObstacle();
const isRequired = process.env['CI'] !== undefined && process.env['CI'] !== '' && process.arch === 'x64';
if (obstacle !== undefined && isRequired) t.fail(`no guest on a CI machine: ${obstacle}`);
const skip = obstacle !== undefined ? `no guest on this machine: ${obstacle}` : !THOROUGH && '.ci/run boots it: NODE_DAX_TEST_THOROUGH=1';

// What is run in the guest must not report to the tap of the host.
delete process.env['NODE_OPTIONS'];

interface Running {
  readonly vm: Vm;
  readonly stdin: PassThrough;
  readonly text: () => string;
  /** Resolves when the guest has printed this, and rejects if it ends without. */
  readonly printed: (wanted: string) => Promise<void>;
}

async function start(test: Test, file: string, how: 'client' | 'maker', uuidFile: string): Promise<Running> {
  const [stdin, output] = [new PassThrough(), new PassThrough()];
  let text = '';
  output.setEncoding('utf8').on('data', (data: string) => { text += data; });
  const command = ['sh', '-c', `exec ${process.execPath} ${MAIN} ${how} "$NODE_DAX_TEST_DEVDAX" ${uuidFile} ${FILES}`];
  const vm = await startVm({ command, nvdimms: [{ size: SIZE, kind: 'devdax', file }], share: true, memory: 512 * MIB, stdin, stdout: output, stderr: output });
  test.teardown(() => vm.end());
  const ended = vm.status.then((status) => { throw new Error(`it ended with ${status}: ${text}`); });
  ended.catch(() => undefined);
  const seen = (wanted: string) =>
    new Promise<void>((resolve) => {
      const look = (): void => { if (text.includes(wanted)) resolve(); };
      output.on('data', look);
      look();
    });
  return { vm, stdin, text: () => text, printed: (wanted) => Promise.race([seen(wanted), ended]) };
}

t.test('a client in one guest sees every file of a master in another, with its contents', { skip }, async (test) => {
  const folder = test.testdir({});
  const uuidFile = join(folder, 'system_uuid');
  writeFileSync(uuidFile, SYSTEM_UUID);
  const file = join(folder, 'memory');
  const master = await start(test, file, 'maker', uuidFile);
  await master.printed('made\n');
  const client = await start(test, file, 'client', uuidFile);
  await client.printed('ready\n');
  master.stdin.end('go\n');
  test.equal(await master.vm.status, 0, master.text());
  test.equal(await client.vm.status, 0, client.text());
  test.match(master.text(), /created\n$/);
  test.equal(client.text(), `ready\nseen ${FILES}\n`);
});
