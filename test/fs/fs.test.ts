// The facade does what node:fs does: the same calls on a folder of tmpfs and on ext2, the same results, the same errors.

import * as nodeFs from 'node:fs';
import { pipeline } from 'node:stream/promises';
import t, { type Test } from 'tap';
import { DaxError } from 'node-dax';
import { NODE_MAJOR } from '../../lib/fs/release.js';
import { seeded } from '../helpers/random.js';
import { amount } from '../helpers/thorough.js';
import { at, awaitBoth, callBoth, checkMedium, openSides, type At, type Said, type Sides } from './two-sides.js';

const OPERATIONS = Number(process.env['NODE_DAX_TEST_FS_OPERATIONS'] ?? amount({ short: 500, thorough: 1000, long: 2000 }));
const { COPYFILE_EXCL, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDWR, O_WRONLY, R_OK, W_OK, X_OK } = nodeFs.constants;

type Call = [name: string, ...args: unknown[]];

// In their order: each finds what those before it left.
const CALLS: Call[] = [
  ['mkdir', at('/a')],
  ['mkdir', at('/a')],
  ['mkdir', at('/none/b')],
  ['mkdir', at('/a/b/c'), { recursive: true }],
  ['mkdir', at('/a/b/c'), { recursive: true }],
  ['mkdir', at('/up/../up2'), { recursive: true }],
  ['mkdir', at('/up3/..'), { recursive: true }],
  ['mkdir', at('/up4/up5/../../up6/up7'), { recursive: true }],
  ['mkdir', at('/up/../a'), { recursive: true }],
  ['readdir', at('/'), { recursive: true }],
  ['mkdir', at('/m'), 0o700],
  ['mkdir', at('/m2'), { mode: 0o2755 }],
  ['mkdir', at('/')],
  ['mkdir', at('/slash/')],
  ['writeFile', at('/f'), 'hello'],
  ['writeFile', at('/none/f'), 'hello'],
  ['writeFile', at('/a'), 'x'],
  ['writeFile', at('/f/x'), 'x'],
  ['mkdir', at('/f/g'), { recursive: true }],
  ['mkdir', at('/f'), { recursive: true }],
  ['writeFile', at('/latin'), 'é', 'latin1'],
  ['writeFile', at('/hex'), 'c0ffee', { encoding: 'hex', mode: 0o600 }],
  ['writeFile', at('/bytes'), new Uint8Array([1, 2, 3])],
  ['writeFile', at('/f'), 'x', { flag: 'wx' }],
  ['appendFile', at('/f'), ' world'],
  ['appendFile', at('/f'), '.', { flag: undefined }],
  ['appendFile', at('/f'), '.', { flag: null }],
  ['appendFile', at('/f'), '.', { flag: 'q' }],
  ['appendFile', at('/new'), 'appended', { mode: 0o640 }],
  ['readFile', at('/f')],
  ['readFile', at('/f'), 'utf8'],
  ['readFile', at('/f'), { flag: null }],
  ['writeFile', at('/flags'), 'null', { flag: null }],
  ['readFile', at('/flags')],
  ['readFile', at('/latin'), { encoding: 'latin1' }],
  ['readFile', at('/none')],
  ['readFile', at('/a')],
  ['readFile', at('/f/x')],
  ['stat', at('/f')],
  ['stat', at('/a')],
  ['stat', at('/a/')],
  ['stat', at('/f/')],
  ['stat', at('/')],
  ['stat', at('/a/../f')],
  ['stat', at('/a/./b/.')],
  ['stat', at('/none')],
  ['stat', at(`/${'n'.repeat(256)}`)],
  ['stat', at('/hex')],
  ['symlink', 'f', at('/link')],
  ['symlink', 'a/b', at('/dirlink')],
  ['symlink', 'nowhere', at('/dangling')],
  ['mkdir', at('/dangling/d'), { recursive: true }],
  ['mkdir', at('/dangling/d/e'), { recursive: true }],
  ['mkdir', at('/dangling'), { recursive: true }],
  ['symlink', 'loop2', at('/loop1')],
  ['symlink', 'loop1', at('/loop2')],
  ['symlink', 'x', at('/link')],
  ['symlink', 'x'.repeat(200), at('/long')],
  ['stat', at('/link')],
  ['lstat', at('/link')],
  ['lstat', at('/long')],
  ['stat', at('/dangling')],
  ['lstat', at('/dangling')],
  ['stat', at('/loop1')],
  ['readlink', at('/link')],
  ['readlink', at('/link'), 'buffer'],
  ['readlink', at('/f')],
  ['readlink', at('/none')],
  ['readFile', at('/dirlink/c')],
  ['readdir', at('/dirlink')],
  ['writeFile', at('/dangling'), 'made through a link'],
  ['readFile', at('/nowhere'), 'utf8'],
  ['writeFile', at('/link'), 'through'],
  ['lstat', at('/link')],
  ['realpath', at('/dirlink/c')],
  ['realpath', at('/none')],
  ['link', at('/f'), at('/hard')],
  ['link', at('/f'), at('/hard')],
  ['link', at('/none'), at('/hard2')],
  ['link', at('/a'), at('/adir')],
  ['stat', at('/hard')],
  ['access', at('/f')],
  ['access', at('/none')],
  ['access', at('/f'), R_OK + W_OK],
  ['access', at('/f'), X_OK],
  ['access', at('/a'), X_OK],
  ['chmod', at('/f'), 0o755],
  ['chmod', at('/f'), '700'],
  ['chmod', at('/none'), 0o755],
  ['access', at('/f'), X_OK],
  ['stat', at('/f')],
  ['truncate', at('/f'), 3],
  ['readFile', at('/f'), 'utf8'],
  ['truncate', at('/f'), 10],
  ['readFile', at('/f')],
  ['truncate', at('/f')],
  ['truncate', at('/a'), 3],
  ['truncate', at('/none'), 3],
  ['utimes', at('/f'), 1000, new Date(2_000_000)],
  ['utimes', at('/none'), 1, 2],
  ['lutimes', at('/link'), 5, 6],
  ['copyFile', at('/bytes'), at('/copy')],
  ['copyFile', at('/bytes'), at('/copy')],
  ['copyFile', at('/bytes'), at('/copy'), COPYFILE_EXCL],
  ['copyFile', at('/none'), at('/copy')],
  ['copyFile', at('/bytes'), at('/none/copy')],
  ['copyFile', at('/bytes'), at('/bytes')],
  ['copyFile', at('/bytes'), at('/bytes'), COPYFILE_EXCL],
  ['link', at('/bytes'), at('/otherbytes')],
  ['copyFile', at('/bytes'), at('/otherbytes')],
  ['copyFile', at('/bytes'), at('/otherbytes'), COPYFILE_EXCL],
  ['copyFile', at('/hex'), at('/hexcopy')],
  ['stat', at('/hexcopy')],
  ['readFile', at('/copy')],
  ['readdir', at('/')],
  ['readdir', at('/'), { withFileTypes: true }],
  ['readdir', at('/a'), { recursive: true }],
  ['readdir', at('/'), 'buffer'],
  ['readdir', at('/none')],
  ['readdir', at('/f')],
  ['rename', at('/f'), at('/g')],
  ['rename', at('/none'), at('/g')],
  ['rename', at('/g'), at('/a')],
  ['rename', at('/a'), at('/g')],
  ['rename', at('/a'), at('/a/b/inside')],
  ['rename', at('/m'), at('/m2')],
  ['rename', at('/m2'), at('/a')],
  ['rename', at('/g'), at('/hard')],
  ['readdir', at('/')],
  ['rename', at('/hard'), at('/none/x')],
  ['rename', at('/a'), at('/moved')],
  ['readdir', at('/moved/b')],
  ['unlink', at('/moved')],
  ['unlink', at('/none')],
  ['unlink', at('/link')],
  ['unlink', at('/g/')],
  ['rmdir', at('/moved')],
  ['rmdir', at('/g')],
  ['rmdir', at('/none')],
  ['rmdir', at('/m2')],
  ['rm', at('/none')],
  ['rm', at('/none'), { force: true }],
  ['rm', at('/moved')],
  ['rm', at('/moved'), { recursive: true }],
  ['rm', at('/dirlink')],
  ['rm', at('/copy')],
  ['rm', at('/none/x'), { recursive: true, force: true }],
  ['readdir', at('/'), { recursive: true }],
  ['stat', 5],
  ['stat', at('/nul\0')],
  ['readFile', at('/bytes'), 'no-such-encoding'],
  ['writeFile', at('/bytes'), 5],
  ['writeFile', at('/bytes')],
  ['writeFile', at('/bytes'), null],
  ['writeFile', at('/bytes'), 'x', 'no-such-encoding'],
  ['appendFile', at('/bytes'), 5],
  ['truncate', at('/bytes'), '1'],
  ['truncate', at('/bytes'), null],
  ['truncate', at('/bytes'), true],
  ['truncate', at('/bytes'), 1.5],
  ['truncate', at('/bytes'), -1.5],
  ['truncate', at('/bytes'), Number.NaN],
  ['readFile', at('/bytes')],
  ['truncate', at('/bytes'), -1],
  ['truncate', at('/bytes'), undefined],
  ['chmod', at('/bytes')],
  ['chmod', at('/bytes'), null],
  ['stat', at('/bytes')],
  ['mkdir', at('/kept/kept'), { recursive: 'false' }],
  ['mkdir', at('/kept'), { recursive: undefined }],
  ['rm', at('/kept'), { recursive: 'false' }],
  ['rm', at('/kept'), { recursive: 1 }],
  ['rm', at('/none'), { force: 'false' }],
  ['rm', at('/none'), { force: null }],
  ['readdir', at('/')],
  ['open', at('/bytes'), 'q'],
];

// A slash asks for a directory, whatever is there: nothing of this is to change what is no directory.
const SLASHES: Call[] = [
  ...['/f/', '/link/', '/dangling/', '/none/', '/toslash', '/dir/'].flatMap((path): Call[] => [
    ['writeFile', at(path), 'x'],
    ['appendFile', at(path), 'x'],
    ['writeFile', at(path), 'x', { flag: 'wx' }],
    ['copyFile', at('/f'), at(path)],
    ['link', at('/f'), at(path)],
    ['symlink', 'target', at(path)],
    ['rename', at('/f'), at(path)],
    ['rename', at('/link'), at(path)],
  ]),
  ...['/f/', '/link/', '/dangling/', '/none/'].flatMap((path): Call[] => [
    ['readFile', at(path)],
    ['truncate', at(path), 1],
    ['lstat', at(path)],
    ['readlink', at(path)],
    ['copyFile', at(path), at('/new')],
    ['link', at(path), at('/new')],
    ['rename', at(path), at('/new')],
    ['rename', at(path), at('/none/new')],
    ['rename', at('/dir'), at(path === '/none/' ? '/f/' : path)],
    ['unlink', at(path)],
    ['rmdir', at(path)],
    ['rm', at(path)],
  ]),
  ['rename', at('/dir/'), at('/new/')],
  ['rename', at('/new'), at('/dir/')],
  ['readdir', at('/')],
  ['readFile', at('/f')],
];

// Node itself words these differently from release to release.
const CODE_ONLY = new Set(['rm', 'realpath']);

function agree(test: Test, { theirs, ours }: { theirs: Said; ours: Said }, call: Call): void {
  const [name, ...args] = call;
  const title = `${name} ${JSON.stringify(args)}`;
  const isReworded = 'error' in theirs && (CODE_ONLY.has(name) || String(theirs.error['code']).startsWith('ERR_'));
  if (!isReworded) {
    test.strictSame(ours, theirs, title);
    return;
  }
  test.strictSame('error' in ours && ours.error['code'], theirs.error['code'], title);
}

t.test('synchronous calls', (test) => {
  const sides = openSides(test);
  for (const call of CALLS) agree(test, callBoth(sides, `${call[0]}Sync`, call.slice(1)), call);
  checkMedium(test, sides);
  test.end();
});

t.test('promise forms', async (test) => {
  const sides = openSides(test);
  for (const call of CALLS) {
    const both = await awaitBoth(sides, call[0], call.slice(1));
    if (call[0] === 'open') continue;
    agree(test, both, call);
  }
  checkMedium(test, sides);
});

t.test('slashes at the end', async (test) => {
  const sides = openSides(test);
  populate(sides);
  callBoth(sides, 'symlinkSync', ['f/', at('/toslash')]);
  for (const call of SLASHES) {
    agree(test, callBoth(sides, `${call[0]}Sync`, call.slice(1)), call);
    agree(test, await awaitBoth(sides, call[0], call.slice(1)), call);
  }
  checkMedium(test, sides);
});

const OPENINGS: [path: At, flags: string | number][] = [
  [at('/f'), 'r'],
  [at('/none'), 'r'],
  [at('/f'), 'r+'],
  [at('/none'), 'r+'],
  [at('/f'), 'wx'],
  [at('/new1'), 'wx'],
  [at('/f'), 'ax'],
  [at('/dir'), 'r'],
  [at('/dir'), 'r+'],
  [at('/dir'), 'w'],
  [at('/dir/'), 'a'],
  [at('/new2/'), 'w'],
  [at('/link'), 'r'],
  [at('/dangling'), 'r'],
  [at('/dangling'), 'wx'],
  [at('/loop'), 'r'],
  [at('/loop'), 'w'],
  [at('/f'), O_DIRECTORY],
  [at('/link'), O_NOFOLLOW],
  [at('/f'), O_CREAT + O_EXCL + O_RDWR],
  [at('/new3'), O_CREAT + O_WRONLY],
  [at('/dir/..'), 'r'],
  [at('/.'), 'w'],
];

function populate(sides: Sides): void {
  const calls: Call[] = [
    ['writeFileSync', at('/f'), 'content'],
    ['mkdirSync', at('/dir')],
    ['symlinkSync', 'f', at('/link')],
    ['symlinkSync', 'nothing', at('/dangling')],
    ['symlinkSync', 'loop', at('/loop')],
  ];
  for (const [name, ...args] of calls) callBoth(sides, name, args);
}

t.test('opening', (test) => {
  const sides = openSides(test);
  populate(sides);
  for (const [path, flags] of OPENINGS) {
    const both = callBoth(sides, 'openSync', [path, flags]);
    const title: Call = ['open', path, flags];
    if ('result' in both.theirs && 'result' in both.ours) {
      nodeFs.closeSync(both.theirs.result as number);
      sides.ours.closeSync(both.ours.result as number);
      test.ok((both.ours.result as number) >= 2 ** 30, 'descriptors are none of the process’s');
    } else {
      agree(test, both, title);
    }
  }
  const same = callBoth(sides, 'readdirSync', [at('/')]);
  test.strictSame(same.ours, same.theirs);
  checkMedium(test, sides);
  test.end();
});

/** Calls by descriptor, on a file that each side has opened. */
function eachByDescriptor(test: Test, sides: Sides, path: string, flags: string, calls: Call[]): void {
  const fds = [nodeFs.openSync(sides.node + path, flags), sides.ours.openSync(path, flags)] as const;
  for (const [name, ...args] of calls) {
    const buffers = [Buffer.alloc(8), Buffer.alloc(8)] as const;
    const results = ([nodeFs, sides.ours] as const).map((fs, side) => {
      const given = args.map((arg) => (arg === 'BUFFER' ? buffers[side] : arg));
      try {
        const call = (fs as unknown as Record<string, (...args: unknown[]) => unknown>)[`${name}Sync`];
        const result = call?.(fds[side], ...given);
        return typeof result === 'object' ? (result as nodeFs.Stats).size : result;
      } catch (error) {
        const { code, syscall, message } = error as NodeJS.ErrnoException;
        return { code, syscall, message: code?.startsWith('ERR_') === true ? '' : message };
      }
    });
    test.strictSame(results[1], results[0], `${flags}: ${name} ${JSON.stringify(args)}`);
    test.ok(buffers[1].equals(buffers[0]));
  }
  for (const fs of [nodeFs, sides.ours]) {
    const fd = fs === nodeFs ? fds[0] : fds[1];
    fs.closeSync(fd);
    test.throws(() => { fs.closeSync(fd); }, { code: 'EBADF', syscall: 'close' });
  }
}

t.test('by descriptor', (test) => {
  const sides = openSides(test);
  populate(sides);
  const calls: Call[] = [
    ['read', 'BUFFER'],
    ['read', 'BUFFER', 0, 4, null],
    ['read', 'BUFFER', 2, 3, 1],
    ['read', 'BUFFER', { position: 0, length: 2 }],
    ['read', 'BUFFER', 0, 9, 0],
    ['read', 'BUFFER', 9, 1, null],
    ['read', 'BUFFER', 0, 0],
    ['readv', [Buffer.alloc(2), Buffer.alloc(3)], 0],
    ['write', Buffer.from('abc')],
    ['write', Buffer.from('abcdef'), 1, 2, 0],
    ['write', 'text', 3],
    ['write', 'text', null, 'utf16le'],
    ['writev', [Buffer.from('12'), Buffer.from('345')]],
    ['write', 5],
    ['fstat'],
    ['ftruncate', 4],
    ['ftruncate', -1],
    ['ftruncate', '2'],
    ['fchmod'],
    ['fsync'],
    ['fdatasync'],
    ['fchmod', 0o600],
    ['futimes', 1, 2],
    ['readFile'],
    ['writeFile', 'whole'],
    ['appendFile', 'more'],
    ['fstat'],
  ];
  for (const flags of ['r', 'r+', 'w', 'w+', 'a', 'a+']) {
    eachByDescriptor(test, sides, '/f', flags, calls);
    const content = callBoth(sides, 'readFileSync', [at('/f')]);
    test.strictSame(content.ours, content.theirs, `after ${flags}`);
  }
  eachByDescriptor(test, sides, '/dir', 'r', [['read', 'BUFFER'], ['write', 'x'], ['ftruncate', 1], ['readFile']]);
  checkMedium(test, sides);
  test.end();
});

t.test('handles', async (test) => {
  const sides = openSides(test);
  for (const [fs, root] of [[nodeFs, sides.node], [sides.ours, '']] as const) {
    const handle = await fs.promises.open(`${root}/h`, 'w+');
    test.strictSame(await handle.write('hello').then(({ bytesWritten }) => bytesWritten), 5);
    test.strictSame(await handle.write(Buffer.from('xyz'), 0, 2, 1).then(({ bytesWritten }) => bytesWritten), 2);
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(5), 0, 5, 0);
    test.strictSame([bytesRead, String(buffer)], [5, 'hxylo']);
    await handle.writeFile(' and more');
    test.equal((await handle.stat()).size, 14);
    await handle.truncate(7);
    await handle.sync();
    await handle.datasync();
    await handle.chmod(0o600);
    await handle.utimes(1, 2);
    test.strictSame((await handle.readFile('utf8')), '');
    test.strictSame((await handle.writev([Buffer.from('a'), Buffer.from('bc')])).bytesWritten, 3);
    await handle.close();
    await handle.close();
    await test.rejects(handle.stat(), { code: 'EBADF' });
    test.equal(await fs.promises.readFile(`${root}/h`, 'latin1'), `hxylo a${'\0'.repeat(7)}abc`);
    const chunks = async function* () {
      yield 'one ';
      await Promise.resolve();
      yield Buffer.from('two');
    };
    await fs.promises.writeFile(`${root}/i`, chunks());
    const both = fs.openSync(`${root}/big`, 'w+');
    test.equal(fs.writeSync(both, 'abc', 5n as never), 3);
    test.equal(fs.writeSync(both, Buffer.from('def'), 0, 3, 9n as never), 3);
    test.equal(fs.readFileSync(`${root}/big`, 'utf8'), 'abcdef', 'a bigint is no position of a write');
    fs.closeSync(both);
    const reader = fs.openSync(`${root}/big`, 'r');
    await new Promise<void>((resolve) => {
      fs.writeFile(reader, '', (error) => {
        test.match(error, { code: 'EBADF', syscall: 'write' }, 'a descriptor for reading');
        resolve();
      });
    });
    fs.closeSync(reader);
    for (const path of ['i', 'no/folder']) {
      await test.rejects(fs.promises.writeFile(`${root}/${path}`, 'x', 'buffer' as never), { code: 'ERR_UNKNOWN_ENCODING' }, 'before it is opened');
    }
    test.equal(await fs.promises.readFile(`${root}/i`, 'utf8'), 'one two');
    for (const reason of [undefined, new Error('enough')]) {
      const signal = AbortSignal.abort(reason);
      const aborted = { name: 'AbortError', code: 'ABORT_ERR', message: 'The operation was aborted', cause: signal.reason as unknown };
      await test.rejects(fs.promises.readFile(`${root}/i`, { signal }), aborted);
      await test.rejects(fs.promises.writeFile(`${root}/i`, 'x', { signal }), aborted);
    }
    const ending = new AbortController();
    const reading = fs.promises.readFile(`${root}/i`, { signal: ending.signal });
    ending.abort('enough');
    await test.rejects(reading, { name: 'AbortError', code: 'ABORT_ERR', cause: 'enough' });
  }
  checkMedium(test, sides);
});

t.test('promise forms take handles, the others descriptors', async (test) => {
  const sides = openSides(test);
  for (const [fs, root] of [[nodeFs, sides.node], [sides.ours, '']] as const) {
    await fs.promises.writeFile(`${root}/f`, 'content');
    const handle = await fs.promises.open(`${root}/f`, 'r+');
    const wrong = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
    test.equal(await fs.promises.readFile(handle, 'utf8'), 'content');
    await test.rejects(fs.promises.readFile(handle.fd as never), { ...wrong, message: /Received type number \(\d+\)$/ });
    await test.rejects(fs.promises.writeFile(handle.fd as never, 'x'), wrong);
    test.throws(() => fs.readFileSync(handle as never), { ...wrong, message: /Received an instance of FileHandle$/ });
    test.throws(() => { fs.writeFileSync(handle as never, 'x'); }, wrong);
    test.throws(() => { fs.readFile(handle as never, () => undefined); }, wrong);
    test.equal(fs.fstatSync(handle.fd).size, 7);
    await handle.close();
  }
  checkMedium(test, sides);
});

t.test('closed while something is under way', async (test) => {
  const sides = openSides(test);
  const { closeSync, promises, readFileSync } = sides.ours;
  const content = Buffer.alloc(4 * 1024 * 1024, 'x');
  const handle = await promises.open('/busy', 'w+');
  await handle.write(content, 0, content.length, 0);
  const read = handle.read(Buffer.alloc(content.length), 0, content.length, 0);
  test.throws(() => { closeSync(handle.fd); }, { code: 'EAGAIN', syscall: 'close' });
  test.equal((await read).bytesRead, content.length);
  test.equal((await handle.stat()).size, content.length, 'the descriptor is still there');
  closeSync(handle.fd);
  test.throws(() => { closeSync(handle.fd); }, { code: 'EBADF' });
  const other = await promises.open('/busy', 'w+');
  const first = other.write(content, 0, content.length, 0);
  test.throws(() => readFileSync('/busy'), { code: 'EAGAIN' });
  await first;
  const writes = [null, null, 0, content.length].map((position) => other.write(content, 0, content.length, position));
  await Promise.all([other.close(), ...writes]);
  test.equal((await promises.stat('/busy')).size, 2 * content.length, 'what was begun comes before the end');
  await test.rejects(other.write(content), { code: 'EBADF' });
  checkMedium(test, sides);
});

t.test('appended at the same time, nothing is lost', async (test) => {
  const sides = openSides(test);
  const { promises } = sides.ours;
  const handle = await promises.open('/log', 'a');
  await Promise.all(Array.from({ length: 50 }, (_, index) => handle.write(`${index},`.repeat(2000))));
  await handle.close();
  const found = (await promises.readFile('/log', 'utf8')).split(',').slice(0, -1);
  const counts = new Map<string, number>();
  for (const item of found) counts.set(item, (counts.get(item) ?? 0) + 1);
  test.equal(counts.size, 50);
  test.ok([...counts.values()].every((count) => count === 2000));
  checkMedium(test, sides);
});

t.test('a copy has the times that node:fs gives it: later Nodes take them over before the content', async (test) => {
  const sides = openSides(test);
  const contents = [['', ''], ['', 'old'], ['new', ''], ['new', 'old'], ['', undefined], ['new', undefined]] as const;
  for (const [from, to] of contents) {
    for (const form of ['copyFileSync', 'copyFile'] as const) {
      const told: unknown[] = [];
      for (const [fs, root] of [[nodeFs, sides.node], [sides.ours, '']] as const) {
        fs.writeFileSync(`${root}/from`, from);
        fs.rmSync(`${root}/to`, { force: true });
        if (to !== undefined) {
          fs.writeFileSync(`${root}/to`, to);
          fs.utimesSync(`${root}/to`, 3, 4);
        }
        fs.utimesSync(`${root}/from`, 1.25, 2.5);
        if (form === 'copyFile') await fs.promises.copyFile(`${root}/from`, `${root}/to`);
        else fs.copyFileSync(`${root}/from`, `${root}/to`);
        const { atimeMs, mtimeMs } = fs.statSync(`${root}/to`);
        // Every other time is that of the copy.
        told.push([atimeMs, mtimeMs].map((ms) => (ms < 10_000 ? ms : 'now')));
      }
      test.strictSame(told[1], told[0], `${form} of '${from}' over ${to === undefined ? 'nothing' : `'${to}'`}`);
    }
  }
  checkMedium(test, sides);
});

t.test('a copy that there is no room for leaves nothing', async (test) => {
  const sides = openSides(test, 1024 * 1024);
  const { ours, mounted } = sides;
  ours.writeFileSync('/f', Buffer.alloc(600 * 1024));
  const free = mounted.statfs().freeBlocks;
  const noSpace = { code: 'ENOSPC', syscall: 'copyfile', path: '/f', dest: '/copy' };
  test.throws(() => { ours.copyFileSync('/f', '/copy'); }, noSpace);
  await test.rejects(ours.promises.copyFile('/f', '/copy'), noSpace);
  ours.writeFileSync('/copy', 'was there');
  test.throws(() => { ours.copyFileSync('/f', '/copy'); }, noSpace);
  test.strictSame(ours.readdirSync('/'), ['f']);
  test.equal(mounted.statfs().freeBlocks, free);
  checkMedium(test, sides);
});

t.test('streams', async (test) => {
  const sides = openSides(test);
  const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
  const source = sides.ours.createWriteStream('/s');
  for (let pos = 0; pos < content.length; pos += 10_000) source.write(content.subarray(pos, pos + 10_000));
  await new Promise((resolve) => source.end(resolve));
  test.ok(sides.ours.readFileSync('/s').equals(content));
  await pipeline(sides.ours.createReadStream('/s', { start: 1000, end: 200_999 }), sides.ours.createWriteStream('/t'));
  test.ok(sides.ours.readFileSync('/t').equals(content.subarray(1000, 201_000)));
  await test.rejects(pipeline(sides.ours.createReadStream('/none'), sides.ours.createWriteStream('/u')), {
    code: 'ENOENT',
    message: "ENOENT: no such file or directory, open '/none'",
  });
  const text: string[] = [];
  const left = sides.ours.createReadStream('/s', { encoding: 'hex', highWaterMark: 7 });
  // It closes its file on its own time.
  const closed = new Promise<void>((resolve) => left.once('close', resolve));
  for await (const chunk of left) {
    text.push(String(chunk));
    if (text.length === 3) break;
  }
  test.equal(text.join(''), content.subarray(0, 21).toString('hex'));
  await closed;
  checkMedium(test, sides);
});

t.test('what is told of files', (test) => {
  const { node, ours, mounted } = openSides(test);
  ours.writeFileSync('/f', 'x');
  ours.utimesSync('/f', 1.5, 2.25);
  const stat = ours.statSync('/f');
  test.match(stat, { atimeMs: 1500, mtimeMs: 2250, mtime: new Date(2250), blksize: 1024, blocks: 2 });
  const big = ours.statSync('/f', { bigint: true });
  test.match(big, { size: 1n, mtimeNs: 2_250_000_000n, mtimeMs: 2250n, mtime: new Date(2250) });
  // From Node 22 on, the dates of node's are no members of the object itself.
  const members = (told: object) => Object.keys(told).filter((name) => !name.endsWith('time'));
  test.strictSame(members(stat), members(nodeFs.statSync(node)), 'the members of node\'s, in their order');
  test.strictSame(members(big), members(nodeFs.statSync(node, { bigint: true })), 'and of its bigints');
  test.equal(ours.statSync('/none', { throwIfNoEntry: false }), undefined);
  test.match(ours.statfsSync('/'), { type: 0xef53, bsize: 1024 });
  test.type(ours.statfsSync('/', { bigint: true }).bfree, 'bigint');
  const made = ours.mkdtempSync('/tmp-');
  test.match(made, /^\/tmp-[-_A-Za-z0-9]{6}$/);
  test.ok(ours.statSync(made).isDirectory());
  test.equal(ours.existsSync(made), true);
  test.equal(ours.existsSync(5 as never), false);
  mounted.unmount();
  try {
    ours.readdirSync('/');
    test.fail('it was unmounted');
  } catch (error) {
    test.ok(error instanceof DaxError && error.hint === 'the filesystem was unmounted', 'the hint is there');
    test.match(error, { name: 'Error', code: 'EBADF' });
    test.strictSame(Object.keys(error as object).sort(), ['code', 'errno', 'path', 'syscall'], 'and its own members are those of node\'s');
  }
  test.end();
});

t.test('times that are set', (test) => {
  const { node, ours } = openSides(test);
  const set = (fs: Pick<typeof nodeFs, 'lutimesSync' | 'lstatSync'>, path: string, time: number | string | Date) => {
    const start = Date.now() - 1;
    try {
      fs.lutimesSync(path, time, time);
    } catch (error) {
      return (error as { code: string }).code;
    }
    const { mtimeMs } = fs.lstatSync(path);
    return mtimeMs >= start && mtimeMs <= Date.now() + 1 ? 'now' : mtimeMs;
  };
  nodeFs.symlinkSync('target', `${node}/l`);
  ours.symlinkSync('target', '/l');
  const times = [1.5, 0, -1, -100.5, '-7', '0x10', new Date(-5000), new Date(2250), Number.NaN, 'soon', Infinity];
  for (const time of times) test.equal(set(ours, '/l', time), set(nodeFs, `${node}/l`, time), String(time));
  test.end();
});

t.test('names that are no UTF-8', (test) => {
  const { ours } = openSides(test);
  const name = Buffer.from([0x2f, 0xff, 0xfe]);
  ours.writeFileSync(name, 'bytes');
  test.strictSame(ours.readdirSync('/', 'buffer'), [name.subarray(1)]);
  test.equal(ours.readFileSync(name, 'utf8'), 'bytes');
  ours.symlinkSync(name, '/l');
  test.strictSame(ours.readlinkSync('/l', 'buffer'), name);
  ours.rmSync('/l');
  ours.mkdirSync(Buffer.from([0x2f, 0x80]));
  ours.writeFileSync(Buffer.from([0x2f, 0x80, 0x2f, 0x81]), '');
  ours.rmSync(Buffer.from([0x2f, 0x80]), { recursive: true });
  test.equal(ours.readdirSync('/').length, 1);
  test.end();
});

/** Everything below a folder: content, targets, permissions. */
function tree(fs: Pick<typeof nodeFs, 'readdirSync' | 'readFileSync' | 'readlinkSync' | 'lstatSync'>, root: string, below = ''): string[] {
  return fs.readdirSync(`${root}${below}/`).sort().flatMap((name) => {
    const path = `${below}/${name}`;
    const stat = fs.lstatSync(root + path);
    const what = `${path} ${stat.mode.toString(8)} ${stat.nlink}`;
    if (stat.isDirectory()) return [what, ...tree(fs, root, path)];
    return [`${what} ${stat.isFile() ? fs.readFileSync(root + path, 'hex') : fs.readlinkSync(root + path)}`];
  });
}

function isFolder(path: string): boolean {
  return nodeFs.existsSync(path) && nodeFs.statSync(path).isDirectory();
}

t.test('random calls', async (test) => {
  const random = seeded(test);
  const sides = openSides(test);
  const names = ['a', 'b', 'c', 'd'];
  const path = () => at(`/${Array.from({ length: 1 + random.below(3) }, () => random.pick(names)).join('/')}`);
  const draw = (): Call =>
    random.pick<() => Call>([
      () => ['mkdir', path()],
      () => ['mkdir', path(), { recursive: true }],
      () => ['writeFile', path(), Buffer.alloc(random.below(5000), random.below(256))],
      () => ['appendFile', path(), 'x'.repeat(random.below(3000))],
      () => ['readFile', path()],
      () => ['truncate', path(), random.below(6000)],
      () => ['rename', path(), path()],
      () => ['rename', path(), path()],
      () => ['link', path(), path()],
      () => ['symlink', path().path.slice(1), path()],
      () => ['unlink', path()],
      () => ['rmdir', path()],
      () => ['rm', path(), { recursive: true, force: random.below(2) === 0 }],
      () => ['readdir', path(), { withFileTypes: true }],
      () => ['stat', path()],
      () => ['lstat', path()],
      () => ['readlink', path()],
      () => ['copyFile', path(), path()],
      () => ['chmod', path(), random.below(0o1000)],
    ])();
  for (let round = 0; round < OPERATIONS && test.passing(); round++) {
    const call = draw();
    // Node makes the destination of a folder, and then removes it, whatever it was.
    if (call[0] === 'copyFile' && isFolder(sides.node + (call[1] as At).path)) continue;
    // The synchronous form of later Nodes is content with a path below a file; docs/fs.md has that.
    const isSync = random.below(2) === 0 && !(NODE_MAJOR >= 24 && call[0] === 'rm');
    const both = isSync ? callBoth(sides, `${call[0]}Sync`, call.slice(1)) : await awaitBoth(sides, call[0], call.slice(1));
    const isRecursive = call[0] === 'mkdir' && call.length === 3;
    const [mine, theirs] = [both.ours, both.theirs].map((said) => {
      if (!('error' in said)) return said;
      const { code, message } = said.error;
      // Where a link that leads nowhere is in the way, node's own forms say different things.
      return isRecursive ? 'an error' : { code, ...(call[0] !== 'rm' && { message }) };
    });
    if (JSON.stringify(mine) !== JSON.stringify(theirs)) test.strictSame(mine, theirs, `${round}: ${call[0]} ${JSON.stringify(call.slice(1))}`);
  }
  test.strictSame(tree(sides.ours, ''), tree(nodeFs, sides.node));
  checkMedium(test, sides);
});
