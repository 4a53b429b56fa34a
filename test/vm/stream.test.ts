// What travels between host and guest: the end mark of a stream, the archive, quoting, the environment.

import t from 'tap';
import { spawnSync } from 'node:child_process';
import { cpio, directory, file } from '../../lib/vm/init/cpio.js';
import { guestEnvironment } from '../../lib/vm/init/environment.js';
import { planScript } from '../../lib/vm/init/plan.js';
import { findProgram } from '../../lib/vm/host/programs.js';
import { shellQuote } from '../../lib/vm/shell-quote.js';
import { TrailerFilter } from '../../lib/vm/streams/trailer.js';

async function filtered(chunks: Buffer[], trailer: Buffer): Promise<{ output: Buffer; seen: boolean }> {
  const filter = new TrailerFilter(trailer);
  filter.expect();
  let seen = false;
  filter.on('trailer', () => { seen = true; });
  for (const chunk of chunks) filter.write(chunk);
  filter.end();
  return { output: Buffer.concat(await filter.toArray() as Buffer[]), seen };
}

t.test('a stream ends before its trailer, wherever it is cut', async (t) => {
  const trailer = Buffer.from('aabaab!!');
  const content = Buffer.from('aab aabaab! aabaaabaab');
  const whole = Buffer.concat([content, trailer]);
  for (let cut = 0; cut <= whole.length; cut++) {
    const { output, seen } = await filtered([whole.subarray(0, cut), whole.subarray(cut)], trailer);
    t.ok(seen && output.equals(content), `cut at ${cut}`);
  }
  const single = await filtered([...whole].map((byte) => Buffer.of(byte)), trailer);
  t.ok(single.seen && single.output.equals(content), 'byte by byte');
  t.strictSame(await filtered([content], trailer), { output: content, seen: false }, 'without one, nothing is lost');
  const after = await filtered([whole, Buffer.from('late')], trailer);
  t.ok(after.output.equals(content), 'what follows is not the stream');
});

t.test('output is held back only where it may be the trailer', (t) => {
  const filter = new TrailerFilter(Buffer.from('aab'));
  filter.expect();
  filter.write(Buffer.from('xyzaa'));
  t.equal(String(filter.read()), 'xyz');
  t.end();
});

t.test('nothing is held back before the trailer is expected, whatever the output ends with', (t) => {
  const filter = new TrailerFilter(Buffer.from('\nab'));
  filter.write(Buffer.from('ready\n'));
  t.equal(String(filter.read()), 'ready\n', 'whoever reads it may have to answer');
  filter.expect();
  filter.end(Buffer.from('the rest\nab'));
  t.equal(String(filter.read()), 'the rest');
  t.end();
});

t.test('the archive is one that cpio reads', { skip: findProgram('busybox') === undefined && 'no static busybox' }, (t) => {
  const content = Buffer.from(Uint8Array.from({ length: 1023 }, (_byte, index) => index % 256));
  const archive = cpio([directory('a'), file('a/one', content), file('a/x', 'text', 0o755)]);
  const busybox = findProgram('busybox') ?? '';
  const list = spawnSync(busybox, ['cpio', '-tv'], { input: archive, encoding: 'utf8' });
  t.match(list.stdout, /^drwxr-xr-x .* a\n-rw-r--r-- .* 1023 .* a\/one\n-rwxr-xr-x .* 4 .* a\/x\n$/);
  const folder = t.testdir({});
  spawnSync(busybox, ['cpio', '-id'], { input: archive, cwd: folder });
  const read = spawnSync('cat', [`${folder}/a/one`]);
  t.ok(read.stdout.equals(content));
  t.end();
});

t.test('quoting keeps every word whole', (t) => {
  const words = ['', ' ', "it's", `"$HOME" \`id\` \\`, 'a\nb', '*', '-n', 'ü'];
  const { stdout } = spawnSync('sh', ['-c', `printf '%s\\0' ${words.map(shellQuote).join(' ')}`], { encoding: 'utf8' });
  t.strictSame(stdout.split('\0').slice(0, -1), words);
  t.end();
});

t.test('the environment that passes', (t) => {
  const passed = { PATH: '/bin', HOME: '/root', NODE_ENV: 'test', NODE_DAX_NO_CLWB: '1', npm_lifecycle_event: 'test', CI: 'true', LC_ALL: 'C' };
  const kept = { NODE_CHANNEL_FD: '3', NODE_UNIQUE_ID: '1', NODE_DAX_TEST_DEVDAX: '/dev/dax9.0', NODE_DAX_VM_KERNEL: '/k', SSH_AUTH_SOCK: '/s', PWD: '/' };
  t.strictSame(guestEnvironment({ ...passed, ...kept }), passed);
  t.end();
});

t.test('devices without a file are grouped by size, those with one are found by their slot', (t) => {
  const size = 2 ** 26;
  const nvdimms = [
    { nvdimm: { size, kind: 'devdax' as const }, fresh: true },
    { nvdimm: { size, kind: 'devdax' as const, file: '/f' }, fresh: false },
    { nvdimm: { size, kind: 'pmem' as const, label: 'raw-one' }, fresh: true },
    { nvdimm: { size, kind: 'virtio-pmem' as const }, fresh: true },
  ];
  const streams = { stdin: 'nothing', stdout: 'port', stderr: 'terminal' } as const;
  const plan = planScript({ nvdimms, streams, network: false, rw: [], modulesFolder: '/k/lib/modules/6', kernelVersion: '6', programs: { NDCTL: '/usr/bin/ndctl' } });
  t.match(plan, "stdin=/dev/null\nstdout=/run/node-dax/stdout\nstderr=/dev/hvc0\noutputs='stdout=/dev/vport0p2'\n");
  t.match(plan, 'set -- $(regions_of 0 2)\n[ $# = 2 ]');
  t.match(plan, 'set -- $(regions_of 1)\n[ $# = 1 ]');
  t.match(plan, 'set -- $(bus_regions virtio-pmem)\n[ $# = 1 ]');
  t.match(plan, "namespace ${1} devdax 4096 existing '/f'");
  t.match(plan, 'provided NODE_DAX_TEST_DEVDAX_2 /dev/dax${1}.0', 'the second of a kind is numbered');
  t.match(plan, 'provided NODE_DAX_TEST_PMEM /dev/pmem${2}; provided NODE_DAX_TEST_RAW_ONE /dev/pmem${2}; link /dev/pmem${2} raw-one');
  t.notMatch(plan, '\nnetwork\n');
  t.match(plan, 'ln -s \'/k/lib/modules/6\' /lib/modules/6');
  const { status, stderr } = spawnSync('sh', ['-n'], { input: plan, encoding: 'utf8' });
  t.strictSame({ status, stderr }, { status: 0, stderr: '' }, 'and the script is one that a shell reads');
  t.end();
});
