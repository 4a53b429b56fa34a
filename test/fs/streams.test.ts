// Streams, handles, directories and watchers of the facade: none of them ends the process, and their results are those of node:fs.

import '../helpers/assert-locks.js';

import { once, type EventEmitter } from 'node:events';
import nodeFs from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { openScratch } from 'node-dax';
import { mkfsSync, mount } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';

const MIB = 1024 * 1024;

function made(test: Test, size = 4 * MIB) {
  const device = openScratch(size);
  mkfsSync(device, { blockSize: 1024 });
  const ext2 = mount(device);
  test.teardown(() => {
    ext2.unmount();
    device.closeSync();
  });
  return createFs(ext2);
}

/** The same tree twice: on a real filesystem and here. */
function bothSides(test: Test, populate: (fs: typeof nodeFs, root: string) => void): [fs: typeof nodeFs, root: string][] {
  const ours = made(test);
  ours.mkdirSync('/root');
  const sides: [typeof nodeFs, string][] = [[nodeFs, test.testdir({})], [ours, '/root']];
  for (const [fs, root] of sides) populate(fs, root);
  return sides;
}

t.test('a stream to a device that is full fails, and nothing else does', async (test) => {
  const fs = made(test, MIB);
  const stream = fs.createWriteStream('/large');
  const failed = once(stream, 'error');
  for (let chunk = 0; chunk < 40; chunk++) stream.write(Buffer.alloc(64 * 1024, 'x'));
  stream.end();
  const [error] = (await failed) as [NodeJS.ErrnoException];
  test.match(error, { name: 'Error', code: 'ENOSPC', syscall: 'write' });
  await test.rejects(pipeline(async function* () { for (let chunk = 0; chunk < 40; chunk++) { yield Buffer.alloc(64 * 1024, await Promise.resolve('y')); } }, fs.createWriteStream('/second')), { code: 'ENOSPC' });
  fs.unlinkSync('/large');
  fs.unlinkSync('/second');
  await pipeline(async function* () { yield await Promise.resolve('fits'); }, fs.createWriteStream('/third'));
  test.equal(fs.readFileSync('/third', 'utf8'), 'fits');
});

t.test('streams take a range, a handle, an abort and the functions that a program has put there', async (test) => {
  const fs = made(test);
  fs.writeFileSync('/f', '0123456789');
  const text = async (stream: AsyncIterable<unknown>): Promise<string> => {
    let all = '';
    for await (const chunk of stream) all += String(chunk);
    return all;
  };
  test.equal(await text(fs.createReadStream('/f', { start: 2, end: 5 })), '2345');
  test.equal(await text(fs.createReadStream('/f', { encoding: 'hex', end: 0 })), '30');
  const handle = await fs.promises.open('/f', 'r+');
  test.equal(await text(fs.createReadStream('', { fd: handle, autoClose: false, start: 8 })), '89');
  const writing = handle.createWriteStream({ start: 4 });
  writing.end('four');
  await once(writing, 'close');
  test.equal(handle.fd, -1, 'the stream has closed it');
  test.equal(fs.readFileSync('/f', 'utf8'), '0123four89');
  const aborter = new AbortController();
  const aborted = fs.createReadStream('/f', { signal: aborter.signal });
  aborter.abort();
  await test.rejects(text(aborted), { name: 'AbortError' });
  let reads = 0;
  const counted = { ...fs, read: ((...args: unknown[]) => { reads++; return (fs.read as (...all: unknown[]) => unknown)(...args); }) as typeof nodeFs.read };
  test.equal(await text(fs.createReadStream('/f', { fs: counted })), '0123four89');
  test.ok(reads > 0, 'by the option fs');
  const last = fs.createWriteStream('/g');
  test.ok(last instanceof fs.WriteStream);
  last.end();
  await once(last, 'close');
});

t.test('a handle has the members of node:fs, and waits for what is pending before it closes', async (test) => {
  const fs = made(test);
  const handle = await fs.promises.open('/lines', 'w+');
  const closed = once(handle as unknown as EventEmitter, 'close');
  const writing = handle.writeFile('one\ntwo\nthree');
  await handle.close();
  await Promise.all([writing, closed]);
  test.equal(handle.fd, -1);
  test.equal(fs.readFileSync('/lines', 'utf8'), 'one\ntwo\nthree');
  await test.rejects(handle.stat(), { code: 'EBADF' });
  const reading = await fs.promises.open('/lines');
  const lines: string[] = [];
  for await (const line of reading.readLines()) lines.push(line);
  test.strictSame(lines, ['one', 'two', 'three']);
  const other = await fs.promises.open('/lines');
  const chunks: Uint8Array[] = [];
  for await (const chunk of other.readableWebStream() as unknown as AsyncIterable<ArrayBuffer>) chunks.push(new Uint8Array(chunk));
  test.equal(Buffer.concat(chunks).toString(), 'one\ntwo\nthree');
  await other.close();
  const fd = fs.openSync('/lines', 'r');
  test.strictSame(await promisify(fs.read)(fd, Buffer.alloc(3), 0, 3, 4), { bytesRead: 3, buffer: Buffer.from('two') });
  fs.closeSync(fd);
});

t.test('cp copies a tree as that of node:fs does', async (test) => {
  const sides = bothSides(test, (fs, root) => {
    fs.mkdirSync(join(root, 'from/inner'), { recursive: true });
    fs.writeFileSync(join(root, 'from/file'), 'content', { mode: 0o640 });
    fs.writeFileSync(join(root, 'from/inner/deep'), 'deep');
    fs.symlinkSync('file', join(root, 'from/link'));
  });
  const told = await Promise.all(sides.map(async ([fs, root]) => {
    const [from, to] = [join(root, 'from'), join(root, 'to')];
    fs.cpSync(from, to, { recursive: true });
    await fs.promises.cp(from, join(root, 'again'), { recursive: true, filter: (path) => !path.endsWith('deep') });
    const codes = [() => { fs.cpSync(from, join(root, 'x')); }, () => { fs.cpSync(from, join(from, 'self'), { recursive: true }); }, () => { fs.cpSync(from, to, { recursive: true, force: false, errorOnExist: true }); }].map((action) => {
      try {
        action();
        return 'done';
      } catch (error) {
        return (error as NodeJS.ErrnoException).code;
      }
    });
    const names = (folder: string) => (fs.readdirSync(join(root, folder), { recursive: true }) as string[]).sort();
    return [names('to'), names('again'), fs.readFileSync(join(to, 'file'), 'utf8'), fs.statSync(join(to, 'file')).mode, fs.readlinkSync(join(to, 'link')).replace(root, ''), codes];
  }));
  test.strictSame(told[1], told[0]);
});

t.test('a directory is read entry by entry, by each of its forms', async (test) => {
  const sides = bothSides(test, (fs, root) => {
    for (const name of ['a', 'b', 'c']) fs.writeFileSync(join(root, name), name);
    fs.mkdirSync(join(root, 'd'));
  });
  const told = await Promise.all(sides.map(async ([fs, root]) => {
    const directory = fs.opendirSync(root);
    const first = directory.readSync();
    const names = [first?.name];
    for await (const { name } of directory) names.push(name);
    await test.rejects(directory.close(), { code: 'ERR_DIR_CLOSED' });
    const again = await fs.promises.opendir(root, { recursive: true });
    const kinds: string[] = [];
    for await (const entry of again) kinds.push(`${entry.name} ${String(entry.isDirectory())} ${entry.parentPath.replace(root, '')}`);
    return [names.sort(), kinds.sort()];
  }));
  test.strictSame(told[1], told[0]);
});

t.test('a blob has what the file has, and says what node:fs says where there is none', async (test) => {
  const sides = bothSides(test, (fs, root) => { fs.writeFileSync(join(root, 'file'), 'content'); });
  const told = await Promise.all(sides.map(async ([fs, root]) => {
    const blob = await fs.openAsBlob(join(root, 'file'), { type: 'text/plain' });
    const open = async (path: string, options?: object): Promise<unknown> => fs.openAsBlob(path, options);
    const refused = async (path: string, options?: object) => open(path, options).catch((error: unknown) => String(error).replace(root, ''));
    return [await blob.text(), blob.type, blob.size, await refused(join(root, 'none')), await refused(join(root, 'file'), { type: 5 })];
  }));
  test.strictSame(told[1], told[0]);
});

t.test('watchers tell of changes that are made through the mount', async (test) => {
  const fs = made(test);
  fs.mkdirSync('/watched');
  const events: string[] = [];
  const watcher = fs.watch('/watched', (event, name) => { events.push(`${event} ${String(name)}`); });
  fs.writeFileSync('/watched/a', 'x');
  fs.renameSync('/watched/a', '/watched/b');
  fs.unlinkSync('/watched/b');
  while (!events.includes('rename b')) await once(watcher, 'change');
  watcher.close();
  test.ok(events.includes('rename a'), events.join(', '));
  const aborter = new AbortController();
  const promised = fs.promises.watch('/watched', { signal: aborter.signal });
  const next = promised[Symbol.asyncIterator]().next();
  fs.mkdirSync('/watched/c');
  test.match(await next, { done: false, value: { eventType: 'rename', filename: 'c' } });
  aborter.abort();
  fs.writeFileSync('/looked-at', 'x');
  const changed = new Promise<readonly [number, number]>((resolve) => {
    fs.watchFile('/looked-at', { interval: 5 }, (now, before) => { resolve([now.size, before.size]); });
  });
  fs.writeFileSync('/looked-at', 'longer');
  test.strictSame(await changed, [6, 1]);
  fs.unwatchFile('/looked-at');
});
