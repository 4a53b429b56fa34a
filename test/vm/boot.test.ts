// Real guests: few of them, each asked for as much as it can tell.

import t from 'tap';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type * as fileSystem from 'node:fs';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { runVm, startVm, vmObstacle, type VmOptions, type VmStep } from 'node-dax/vm';
import { portPath } from '../../lib/vm/init/guest-paths.js';
import { MIB } from '../../lib/vm/size.js';
import { onTerminal } from '../helpers/terminal.js';
import { THOROUGH } from '../helpers/thorough.js';

// A guest takes seconds, and minutes where it is emulated on a machine that has other things to do.
t.setTimeout(1_200_000);

const ROOT = join(__dirname, '..', '..', '..');
const MAIN = join(ROOT, 'dist', 'lib', 'cli', 'main.js');
// The guest is x86-64, as its hosts are.
const CI = process.env['CI'] !== undefined && process.env['CI'] !== '' && process.arch === 'x64';

// What is run in the guest must not report to the tap of the host.
delete process.env['NODE_OPTIONS'];

class Sink extends Writable {
  readonly #chunks: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

async function run(options: VmOptions): Promise<{ status: number; stdout: Buffer; stderr: Buffer }> {
  const [stdout, stderr] = [new Sink(), new Sink()];
  const status = await runVm({ ...options, stdout, stderr });
  return { status, stdout: stdout.bytes(), stderr: stderr.bytes() };
}

/** The command that runs `main` in the guest. */
function node(main: (fs: typeof fileSystem, sysfs: (path: string) => string) => void): string[] {
  const sysfs = `(path) => fs.readFileSync('/sys/bus/nd/devices/' + path, 'utf8').trim()`;
  return [process.execPath, '-e', `const fs = require('node:fs'); (${main.toString()})(fs, ${sysfs})`];
}

const obstacle = vmObstacle();
if (obstacle !== undefined && CI) t.fail(`no guest on a CI machine: ${obstacle}`);
const skip = obstacle !== undefined && `no guest on this machine: ${obstacle}`;
// Where it is emulated, a guest costs as much as several other suites.
const long = skip || (!THOROUGH && '.ci/run boots it: NODE_DAX_TEST_THOROUGH=1');

t.test('the default guest', { skip: long }, async (t) => {
  const cwd = t.testdir({ 'host.txt': 'from the host' });
  const command = node((fs, sysfs) => {
    const { NODE_DAX_TEST_DEVDAX: devdax = '', NODE_DAX_TEST_DEVDAX_2M: devdax2m = '', NODE_DAX_TEST_PMEM: pmem = '' } = process.env;
    const align = (device: string): string => {
      const region = /dax([0-9]+)/.exec(device)?.[1] ?? '';
      return sysfs(`${sysfs(`namespace${region}.0/holder`)}/align`);
    };
    const bytes = Buffer.from(Uint8Array.from({ length: 256 * 1024 }, (_byte, index) => index % 256));
    fs.writeSync(2, Buffer.from(bytes).reverse());
    fs.writeSync(1, bytes);
    fs.writeSync(1, JSON.stringify({
      cwd: process.cwd(),
      host: fs.readFileSync('host.txt', 'utf8'),
      variables: Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('NODE_DAX_TEST_'))),
      given: process.env['GIVEN'],
      dax: [align(devdax), align(devdax2m)],
      characters: [devdax, devdax2m].every((path) => fs.statSync(path).isCharacterDevice()),
      blocks: [pmem, process.env['NODE_DAX_TEST_BRD'] ?? ''].every((path) => fs.statSync(path).isBlockDevice()),
      domain: sysfs('region1/persistence_domain'),
      mounts: fs.readFileSync('/proc/mounts', 'utf8').split('\n').filter((line) => line.includes(' /mnt/')),
      tmpfs: ['/dev/shm', '/run'].map((path) => fs.statfsSync(path).type),
      year: new Date().getUTCFullYear(),
      shim: fs.readFileSync(`${(process.env['PATH'] ?? '').split(':')[0] ?? ''}/node-dax`, 'utf8'),
      input: fs.readFileSync(0).length,
    }));
    fs.writeFileSync('guest.txt', 'goes with the guest');
    process.exit(7);
  });
  const { status, stdout, stderr } = await run({ command, cwd, persistence: 'cpu', env: { GIVEN: "it's given" } });
  const bytes = Buffer.from(Uint8Array.from({ length: 256 * 1024 }, (_byte, index) => index % 256));
  t.equal(status, 7);
  t.ok(stdout.subarray(0, bytes.length).equals(bytes), 'every byte of stdout');
  t.ok(stderr.equals(Buffer.from(bytes).reverse()), 'every byte of stderr, and nothing else');
  const seen = JSON.parse(stdout.toString('utf8', bytes.length)) as Record<string, unknown>;
  t.match(seen, {
    cwd,
    host: 'from the host',
    given: "it's given",
    dax: ['4096', String(2 * MIB)],
    characters: true,
    blocks: true,
    domain: 'cpu_cache',
    tmpfs: [0x01021994, 0x01021994],
    year: new Date().getUTCFullYear(),
    shim: MAIN,
    input: 0,
  });
  t.strictSame(seen['variables'], {
    NODE_DAX_TEST_GUEST: '1',
    NODE_DAX_TEST_EXT4: '/mnt/ext4',
    NODE_DAX_TEST_DEVDAX: '/dev/dax1.0',
    NODE_DAX_TEST_DEVDAX_2M: '/dev/dax2.0',
    NODE_DAX_TEST_XFS: '/mnt/xfs',
    NODE_DAX_TEST_PMEM: '/dev/pmem4',
    NODE_DAX_TEST_VIRTIO_PMEM: '/mnt/virtio-pmem',
    NODE_DAX_TEST_BRD: '/dev/ram0',
  });
  const mounts = (seen['mounts'] as string[]).sort();
  t.match(mounts, [/ \/mnt\/ext4 ext4 .*dax=always/, / \/mnt\/xfs xfs .*dax=always/, / \/mnt\/virtio-pmem ext4 .*dax=always/]);
  t.strictSame(readdirSync(cwd), ['host.txt'], 'the host has none of what the guest wrote');
});

t.test('what one guest writes to a file, another reads', { skip: long }, async (t) => {
  const folder = t.testdir({ kept: {} });
  const dax = { size: 32 * MIB, kind: 'devdax' as const, file: join(folder, 'dax') };
  const ext4 = { size: 64 * MIB, kind: 'fsdax-ext4' as const, file: join(folder, 'ext4') };
  const program = (body: string) =>
    `${process.execPath} -e 'const device = require("${ROOT}").openSync(process.env.NODE_DAX_TEST_DEVDAX); ${body}'`;
  const first = await run({
    command: ['sh', '-ec', `echo kept >$NODE_DAX_TEST_EXT4/file; blkid -p -s UUID -o value /dev/pmem*; echo out >kept/file\n${program('device.writeSync(Buffer.from("dax!"), 4097)')}`],
    nvdimms: [dax, ext4, { size: 64 * MIB, kind: 'fsdax-ext2' }],
    rw: [join(folder, 'kept')],
    cwd: folder,
  });
  t.equal(first.status, 0, first.stderr.toString());
  t.strictSame(readdirSync(folder).sort(), ['dax', 'ext4', 'kept'], 'nothing else is left');
  t.equal(readFileSync(join(folder, 'kept', 'file'), 'utf8'), 'out\n', 'a folder that is kept');

  // In another order, hence in other slots and regions.
  const second = await run({
    command: ['sh', '-ec', `cat $NODE_DAX_TEST_EXT4/file; blkid -p -s UUID -o value /dev/pmem*\n${program('console.log(Buffer.from(device.view(4097, 4)).toString())')}`],
    nvdimms: [ext4, dax],
  });
  t.equal(second.status, 0, second.stderr.toString());
  const [content, id, mapped] = second.stdout.toString().split('\n');
  t.equal(content, 'kept');
  t.ok(id !== undefined && first.stdout.toString().split('\n').includes(id), 'it is the filesystem that the first guest made');
  t.equal(mapped, 'dax!', 'written and persisted by one guest, read by the next');

  await t.rejects(runVm({ command: ['true'], nvdimms: [{ ...ext4, kind: 'fsdax-ext2' }] }), {
    name: 'VmError',
    exitStatus: 125,
    message: new RegExp(`^the guest failed: ${ext4.file} carries ext4, not ext2; nothing was changed`),
  });
});

t.test('a guest that dies, and one that is in use', { skip: long }, async (t) => {
  const folder = t.testdir({});
  const nvdimms = [{ size: 32 * MIB, kind: 'pmem' as const, file: join(folder, 'pmem') }];
  const stdout = new Sink();
  let other: Promise<unknown> | undefined;
  const watched = new Writable({
    write(chunk: Buffer, _encoding, done) {
      // By now the file has its name, and the first guest holds it.
      other ??= runVm({ command: ['true'], nvdimms }).catch((error: unknown) => error);
      stdout.write(chunk);
      done();
    },
  });
  await t.rejects(runVm({ command: ['sh', '-c', 'echo last words; sleep 2; echo c >/proc/sysrq-trigger; sleep 60'], nvdimms, stdout: watched }), {
    name: 'VmError',
    exitStatus: 125,
    message: /^the kernel of the guest panicked: sysrq triggered crash\n--- the guest's console ---\n/,
  });
  t.equal(stdout.bytes().toString(), 'last words\n');
  t.match(await other, { name: 'VmError', message: 'another guest is using one of the NVDIMM files: guests have one at the same time if all of them share it' });
});

t.test('the command reads the standard input, byte for byte, to its end', { skip }, async (t) => {
  const bytes = randomBytes(1_000_001);
  const command = ['sh', '-c', 'sha256sum; pwd >&2; test -c $NODE_DAX_TEST_DEVDAX && exit $GIVEN'];
  const stdin = Readable.from([bytes.subarray(0, 1), bytes.subarray(1)]);
  const { status, stdout, stderr } = await run({ command, nvdimms: [{ size: 32 * MIB, kind: 'devdax' }], env: { GIVEN: '7' }, stdin });
  t.equal(stdout.toString(), `${createHash('sha256').update(bytes).digest('hex')}  -\n`);
  t.equal(stderr.toString(), `${process.cwd()}\n`);
  t.equal(status, 7, 'with the devices and the variables that it was given');
});

t.test('a conversation: each byte comes back before the next is sent', { skip }, async (t) => {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  // One of these bytes is the first of the mark at the end, which is random.
  const bytes = Buffer.from(Uint8Array.from({ length: 256 }, (_byte, value) => value));
  const vm = await startVm({ command: ['cat'], nvdimms: [], stdin, stdout, stderr: new Sink() });
  t.teardown(() => vm.end());
  const answers: Buffer[] = [];
  for (const byte of bytes) {
    stdin.write(Buffer.of(byte));
    const answer: unknown = await Promise.race([once(stdout, 'data'), vm.status]);
    answers.push(...(answer as Buffer[]));
  }
  stdin.end();
  t.equal(await vm.status, 0);
  t.ok(Buffer.concat(answers).equals(bytes));
});

t.test('what is not read is left: the guest ends with the command', { skip: long }, async (t) => {
  const endless = new Readable({ read() { this.push(randomBytes(4096)); } });
  const { stdout } = await run({ command: ['head', '-c', '7'], nvdimms: [], stdin: endless });
  t.equal(stdout.length, 7);
  t.notOk(endless.destroyed, 'the stream is its owner\'s');
});

const python = spawnSync('python3', ['--version']).status === 0;
t.test('a guest that runs, and its image at an instant', { skip: long }, async (t) => {
  const folder = t.testdir({ kept: {} });
  const server = createServer((_request, response) => { response.end('from the host'); });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => { server.close(); });
  const { port } = server.address() as AddressInfo;
  const [stdout, guestConsole, steps] = [new Sink(), new Sink(), [] as VmStep[]];
  const program = `
    const fs = require('node:fs');
    const journal = require(${JSON.stringify(ROOT)}).openSync(process.env.NODE_DAX_TEST_JOURNAL);
    journal.writeSync(Buffer.from('written before the cut'), 4096);
    const fd = fs.openSync(process.env.NODE_DAX_TEST_MY_DATA + '/file', 'w');
    fs.writeSync(fd, 'synced before the cut');
    fs.fsyncSync(fd);
    fetch('http://10.0.2.2:${port}').then((response) => response.text()).then((answer) => {
      console.log(JSON.stringify({
        answer,
        link: fs.realpathSync('/dev/nvdimm/journal') === journal.path,
        places: [process.env.NODE_DAX_TEST_MY_DATA, process.env.NODE_DAX_TEST_EXT4],
        parameters: fs.readFileSync('/proc/cmdline', 'utf8').includes(' a.parameter=1'),
      }));
      process.stdin.once('data', () => process.exit(4));
    });`;
  const stdin = new Readable({ read: () => undefined });
  const shown = new Promise<void>((resolve) => {
    const write = stdout._write.bind(stdout);
    stdout._write = (...args) => { write(...args); resolve(); };
  });
  const vm = await startVm({
    command: [process.execPath, '-e', program],
    nvdimms: [{ size: 32 * MIB, kind: 'devdax', label: 'journal' }, { size: 64 * MIB, kind: 'fsdax-ext4', label: 'my-data' }, { size: 32 * MIB, kind: 'unarmed' }],
    network: true,
    append: 'a.parameter=1',
    stdin,
    stdout,
    stderr: process.stderr,
    console: guestConsole,
    onStep: (step) => steps.push(step),
  });
  await Promise.race([shown, vm.status]);
  const images = await vm.crash(join(folder, 'images'));
  t.strictSame(images, [
    { size: 32 * MIB, kind: 'devdax', label: 'journal', file: join(folder, 'images', '0-journal.pmem') },
    { size: 64 * MIB, kind: 'fsdax-ext4', label: 'my-data', file: join(folder, 'images', '1-my-data.pmem') },
    { size: 32 * MIB, kind: 'unarmed' },
  ]);
  t.ok(readFileSync(images[0]?.file ?? '').includes('written before the cut'));
  t.ok(readFileSync(images[1]?.file ?? '').includes('synced before the cut'));
  await t.rejects(vm.crash(join(folder, 'images')), { code: 'EEXIST' }, 'no image is overwritten');
  stdin.push('end');
  t.equal(await vm.status, 4, 'it has gone on');
  t.strictSame(JSON.parse(stdout.bytes().toString()), { answer: 'from the host', link: true, places: ['/mnt/my-data', '/mnt/my-data'], parameters: true });
  t.match(guestConsole.bytes().toString(), /Linux version/);
  t.strictSame(steps.filter((step) => !step.startsWith('boot')), ['kernel', 'initramfs', 'devices', 'command']);
  await t.rejects(vm.crash(join(folder, 'later')), { name: 'VmError', message: 'the guest has ended' });
  await vm.end();
});

t.test('power cuts, and the command that judges what is left', { skip: long }, (t) => {
  const TMPDIR = t.testdir({});
  // At the first instant the image is taken. The command ends before the second.
  const { status, stdout, stderr } = spawnSync(process.execPath, [
    MAIN, 'vm', '--nvdimm', '64M:fsdax-ext4=data', '--power-cut', '0,1000', '--check', 'test -d $NODE_DAX_TEST_DATA/lost+found && echo judged && exit 3',
    '--', 'sh', '-c', 'echo running; sleep 1; exit 5',
  ], { env: { ...process.env, TMPDIR }, encoding: 'utf8' });
  t.equal(status, 3, stderr);
  t.equal(stdout, 'running\njudged\n');
  t.match(stderr, 'the command ended with status 5, before the power cut at 1000 s');
  const lines = stderr.trim().split('\n');
  t.strictSame(lines, [...new Set(lines)], 'what is true of both guests is said once');
  const file = /power cut at 0 s: the check failed with status 3; what is left: (.*)/.exec(stderr)?.[1] ?? '';
  t.ok(existsSync(file), 'the image is kept');
  t.end();
});

t.test('on a terminal the command has one', { skip: long || (!python && 'there is no python3') }, async (t) => {
  const session = await onTerminal([process.execPath, MAIN, 'vm', '--nvdimm', 'none'], [
    { expect: '#|\\$ ' },
    { send: 'test -t 0 && test -t 1 && test -t 2 && tty; stty size\r' },
    { expect: '/dev/hvc0' },
    { expect: '24 80' },
    { resize: [30, 100] },
    { send: 'while ! stty size | grep 30; do sleep 0.1; done\r' },
    { expect: '30 100' },
    { send: 'echo star\'\'ted; sleep 1000\r' },
    { expect: 'started' },
    { send: '\x03' },
    { send: 'echo status $?\r' },
    { expect: 'status 130' },
    { send: 'exit 9\r' },
  ], { ...process.env, SHELL: '/bin/sh' });
  t.match(session, { status: 9, same: true }, session.shown);
});

t.test('a guest on a terminal ends by Ctrl-], and an output that leads elsewhere is no terminal', { skip: long || (!python && 'there is no python3') }, async (t) => {
  const ended = await onTerminal([process.execPath, MAIN, 'vm', '--nvdimm', 'none', '--', 'sh', '-c', 'trap "" INT; echo be""gun; sleep 1000'], [
    { expect: 'begun' },
    { send: '\x03\x1d\x1d\x1d' },
  ]);
  t.match(ended, { status: 130, same: true, shown: /ended by Ctrl-\], typed three times/ });
  const mixed = await onTerminal(['sh', '-c', `${process.execPath} ${MAIN} vm --nvdimm none -- sh -c 'test -t 0 && ! test -t 1 && test -t 2 && echo mixed' | cat`], []);
  t.match(mixed, { status: 0, shown: /mixed/ });
});

t.test('timeouts and signals end the guest', { skip: long }, async (t) => {
  await t.rejects(runVm({ command: ['sleep', '600'], nvdimms: [], timeout: 1 }), { exitStatus: 124, message: 'the command did not end in 1 s' });
  const aborted = runVm({ command: ['true'], signal: AbortSignal.abort('enough') }).catch((reason: unknown) => reason);
  t.equal(await aborted, 'enough');
  const child = spawn(process.execPath, [MAIN, 'vm', '--nvdimm', 'none', '--', 'sh', '-c', 'echo started; sleep 600'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const qemu = children(child.pid ?? 0);
  t.equal(qemu.length, 1);
  child.kill('SIGTERM');
  t.strictSame(await once(child, 'exit'), [143, null]);
  const alive = () => qemu.filter((pid) => existsSync(`/proc/${pid}`));
  for (let tries = 0; tries < 100 && alive().length > 0; tries++) await sleep(100);
  t.strictSame(alive(), [], 'QEMU is gone');
});

t.test('an output that is carried later than the other arrives whole', { skip: long }, async (t) => {
  const script = `
    for process in /proc/[0-9]*; do
      case $(readlink $process/fd/1) in ${portPath('stderr')}) carrier=\${process#/proc/} ;; esac
    done
    kill -STOP $carrier
    (sleep 0.5; kill -CONT $carrier) >/dev/null 2>&1 &
    echo what $carrier carries >&2`;
  const { status, stderr } = await run({ command: ['sh', '-c', script], nvdimms: [], memory: 512 * MIB });
  t.equal(status, 0);
  t.match(stderr.toString(), /^what \d+ carries\n$/);
});

t.test('the command can be missing', { skip: long }, async (t) => {
  const { status, stderr } = await run({ command: ['no-such-program'], nvdimms: [], memory: 512 * MIB });
  t.equal(status, 127);
  t.match(stderr.toString(), 'no-such-program');
});

function children(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
}
