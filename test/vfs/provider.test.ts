// The provider of node:vfs, on Nodes that have that module; packaging/vfs starts this suite with one. Every step through its mount
// is also made in a folder of the real filesystem, with the same result.

import '../helpers/assert-locks.js';

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import nodeFs from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { openSync } from 'node-dax';
import { check, mkfsSync, mount, type Ext2, type MountOptions } from 'node-dax/ext2';
import { createProvider, type Provider } from 'node-dax/vfs';
import { TinyFs } from '../../docs/examples/tiny-fs.js';
import { scratchPath } from '../helpers/devices.js';
import { e2fsckMissing } from '../helpers/e2fsck.js';
import { FlatFilesystem } from '../helpers/flat-filesystem.js';

interface Virtual {
  mount(): string;
  unmount(): void;
  readFileSync(path: string, encoding: string): string;
}
interface NodeVfs {
  create(provider: object, options: object): Virtual;
  VirtualProvider: new () => object;
}

const { getBuiltinModule } = process as unknown as { getBuiltinModule?: (name: string) => unknown };
const vfs = getBuiltinModule?.('node:vfs') as NodeVfs | undefined;
const ROOT = join(__dirname, '..', '..', '..');

const REFUSED = `
const { mkfsSync, mount } = require('node-dax/ext2');
const device = require('node-dax').openScratch(1024 * 1024);
mkfsSync(device, { blockSize: 1024 });
try { require('node-dax/vfs').createProvider(mount(device)); } catch ({ name, code, reason, hint }) { console.log(name, code, reason, hint); }
`;

t.test('a process without node:vfs is told so in one sentence', (test) => {
  const { stdout } = spawnSync(process.execPath, ['--eval', REFUSED], { cwd: ROOT, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } });
  const cure = process.allowedNodeEnvironmentFlags.has('--experimental-vfs')
    ? 'start Node with --experimental-vfs'
    : `node:vfs came with Node 26.4, and this is ${process.version}`;
  test.equal(stdout, `DaxError EOPNOTSUPP NO_NODE_VFS ${cure}\n`);
  test.end();
});

interface Place {
  /** Where it is mounted. */
  readonly root: string;
  readonly ext2: Ext2;
  readonly provider: Provider;
  readonly virtual: Virtual;
  /** Unmounts both; the image is judged by us and by e2fsck. */
  readonly end: () => void;
}

/** A new ext2 under the provider, mounted. */
function mounted(test: Test, options: MountOptions = {}): Place {
  const path = scratchPath(test);
  const device = openSync(path, { size: 16 * 1024 * 1024 });
  mkfsSync(device, { blockSize: 1024 });
  const ext2 = mount(device, { owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }, ...options });
  if (options.readOnly !== true) ext2.rmdir(ext2.root, 'lost+found');
  const provider = createProvider(ext2);
  const virtual = (vfs as NodeVfs).create(provider, { emitExperimentalWarning: false });
  const root = virtual.mount();
  const end = (): void => {
    virtual.unmount();
    ext2.unmount();
    test.equal(check(device).isClean, true, 'the medium is clean');
    device.closeSync();
    if (e2fsckMissing() === undefined) test.equal(spawnSync('e2fsck', ['-fn', path]).status, 0, 'e2fsck finds nothing');
  };
  return { root, ext2, provider, virtual, end };
}

function told(stats: nodeFs.Stats | nodeFs.BigIntStats): unknown {
  return [stats.isFile(), stats.isDirectory(), stats.isSymbolicLink(), String(stats.mode), String(stats.nlink), stats.isDirectory() ? '' : String(stats.size)];
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const names = (entries: readonly (string | Buffer)[]): string[] => entries.map(String).sort();
const dirents = (entries: readonly nodeFs.Dirent[]): string[] => entries.map((entry) => `${entry.parentPath}/${entry.name} ${entry.isDirectory()} ${entry.isSymbolicLink()}`).sort();

/** Steps, one after the other, in the folder `at`. */
const STEPS: Readonly<Record<string, (at: string) => unknown>> = {
  'directories are made and told': async (at) => {
    const first = [
      nodeFs.mkdirSync(`${at}/a/b/c`, { recursive: true }),
      await nodeFs.promises.mkdir(`${at}/d/e`, { recursive: true }),
      await nodeFs.promises.mkdir(`${at}/d/e`, { recursive: true }),
    ];
    nodeFs.mkdirSync(`${at}/d/f`, 0o700);
    return [first, told(nodeFs.statSync(`${at}/d/f`))];
  },
  'files are written whole and read': async (at) => {
    nodeFs.writeFileSync(`${at}/a/one`, 'one');
    nodeFs.appendFileSync(`${at}/a/one`, Buffer.from(' more'));
    await nodeFs.promises.writeFile(`${at}/a/two`, 'dGVzdA==', 'base64');
    await nodeFs.promises.appendFile(`${at}/a/two`, '!');
    nodeFs.writeFileSync(`${at}/a/b/exclusive`, '', { flag: 'wx', mode: 0o600 });
    return [
      nodeFs.readFileSync(`${at}/a/one`, 'utf8'),
      await nodeFs.promises.readFile(`${at}/a/two`, { encoding: 'latin1' }),
      nodeFs.readFileSync(`${at}/a/two`).toString('hex'),
      told(nodeFs.statSync(`${at}/a/b/exclusive`)),
      told(nodeFs.statSync(`${at}/a/one`, { bigint: true })),
      await (await nodeFs.openAsBlob(`${at}/a/one`)).text(),
    ];
  },
  'links of both kinds': async (at) => {
    nodeFs.symlinkSync('a/one', `${at}/soft`);
    nodeFs.symlinkSync('a', `${at}/folder`);
    nodeFs.symlinkSync('nowhere', `${at}/dangling`);
    nodeFs.linkSync(`${at}/a/one`, `${at}/hard`);
    await nodeFs.promises.symlink('loop', `${at}/loop`);
    return [
      nodeFs.readlinkSync(`${at}/soft`),
      await nodeFs.promises.readlink(`${at}/folder`, 'buffer'),
      nodeFs.readFileSync(`${at}/folder/one`, 'utf8'),
      nodeFs.realpathSync(`${at}/folder/b`),
      String(await nodeFs.promises.realpath(`${at}/soft`, 'buffer')),
      told(nodeFs.lstatSync(`${at}/soft`)),
      told(nodeFs.statSync(`${at}/soft`)),
      nodeFs.existsSync(`${at}/dangling`),
    ];
  },
  'listings, recursive and with types': async (at) => [
    names(nodeFs.readdirSync(at)),
    names(nodeFs.readdirSync(at, { encoding: 'buffer' })),
    names(await nodeFs.promises.readdir(`${at}/a`)),
    names(nodeFs.readdirSync(`${at}/d`, { recursive: true })),
    dirents(nodeFs.readdirSync(at, { withFileTypes: true })),
    dirents(nodeFs.readdirSync(`${at}/a`, { withFileTypes: true, recursive: true })),
    dirents(await nodeFs.promises.readdir(`${at}/a`, { withFileTypes: true, recursive: true })),
    names((await collected(await nodeFs.promises.opendir(`${at}/a`))).map(({ name }) => name)),
    names((nodeFs as unknown as { globSync: (pattern: string, options: object) => string[] }).globSync('**/one', { cwd: at })),
  ],
  'descriptors have a position': (at) => {
    const fd = nodeFs.openSync(`${at}/a/one`, 'r+');
    const buffer = Buffer.alloc(4);
    const said: unknown[] = [nodeFs.readSync(fd, buffer, 0, 2, null), nodeFs.writeSync(fd, 'EE', 2), nodeFs.readSync(fd, buffer, 2, 2, null), buffer.toString()];
    said.push(nodeFs.writevSync(fd, [Buffer.from('xy'), Buffer.from('z')], 0), nodeFs.readvSync(fd, [Buffer.alloc(1), Buffer.alloc(100)]));
    nodeFs.ftruncateSync(fd, 5);
    nodeFs.fchmodSync(fd, 0o640);
    nodeFs.futimesSync(fd, 1, 2);
    nodeFs.fsyncSync(fd);
    said.push(told(nodeFs.fstatSync(fd)), nodeFs.fstatSync(fd).mtimeMs);
    nodeFs.closeSync(fd);
    return [...said, nodeFs.readFileSync(`${at}/a/one`, 'utf8')];
  },
  'what appends appends': (at) => {
    const fd = nodeFs.openSync(`${at}/a/one`, 'a+');
    nodeFs.writeSync(fd, 'end');
    nodeFs.writeSync(fd, 'at the end', 0);
    const buffer = Buffer.alloc(30);
    const bytes = nodeFs.readSync(fd, buffer, 0, 30, 0);
    nodeFs.closeSync(fd);
    return buffer.toString('utf8', 0, bytes);
  },
  'handles of promises': async (at) => {
    const handle = await nodeFs.promises.open(`${at}/handle`, 'w+');
    const said: unknown[] = [(await handle.write('0123456789')).bytesWritten, (await handle.writev([Buffer.from('ab'), Buffer.from('c')], 2)).bytesWritten];
    const buffer = Buffer.alloc(4);
    said.push((await handle.read(buffer, 0, 4, 1)).bytesRead, buffer.toString(), (await handle.readv([Buffer.alloc(3)], 0)).bytesRead);
    await handle.truncate(6);
    await handle.appendFile('!');
    await handle.chmod(0o600);
    await handle.utimes(3, 4);
    await handle.datasync();
    await handle.sync();
    said.push(told(await handle.stat()), (await handle.stat()).mtimeMs);
    await handle.close();
    return [...said, nodeFs.readFileSync(`${at}/handle`, 'latin1')];
  },
  'descriptors of callbacks': async (at) => {
    const call = (begin: (done: (error: Error | null, value?: unknown) => void) => void): Promise<unknown> =>
      new Promise((resolve, reject) => { begin((error, value) => { if (error === null) resolve(value); else reject(error); }); });
    const fd = (await call((done) => { nodeFs.open(`${at}/called`, 'w+', done); })) as number;
    const said = [
      await call((done) => { nodeFs.write(fd, Buffer.from('called'), 0, 6, null, done); }),
      await call((done) => { nodeFs.read(fd, Buffer.alloc(4), 0, 4, 1, done); }),
      told((await call((done) => { nodeFs.fstat(fd, done); })) as nodeFs.Stats),
    ];
    await call((done) => { nodeFs.ftruncate(fd, 2, done); });
    await call((done) => { nodeFs.close(fd, done); });
    return [...said, nodeFs.readFileSync(`${at}/called`, 'latin1')];
  },
  'streams, with a part of a file and a place to begin': async (at) => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
    const whole = nodeFs.createWriteStream(`${at}/streamed`);
    // One at a time: two at once would be written by writev, which this Node has lost for the time of a mount.
    for (let pos = 0; pos < bytes.length; pos += 70_000) await new Promise((done) => whole.write(bytes.subarray(pos, pos + 70_000), done));
    whole.end();
    await once(whole, 'close');
    const later = nodeFs.createWriteStream(`${at}/streamed`, { flags: 'r+', start: 100 });
    await new Promise((done) => later.write('in', done));
    later.end('side');
    await once(later, 'close');
    const part = Buffer.concat(await collected(nodeFs.createReadStream(`${at}/streamed`, { start: 98, end: 200_005 })) as Buffer[]);
    return [part.length, part.toString('latin1', 0, 10), nodeFs.readFileSync(`${at}/streamed`).length, await collected(nodeFs.createReadStream(`${at}/hard`, { encoding: 'utf8' }))];
  },
  'attributes': async (at) => {
    nodeFs.chmodSync(`${at}/hard`, 0o400);
    nodeFs.utimesSync(`${at}/hard`, 10, 20);
    nodeFs.lutimesSync(`${at}/soft`, 30, 40);
    nodeFs.chownSync(`${at}/hard`, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
    await nodeFs.promises.chmod(`${at}/handle`, 0o444);
    nodeFs.accessSync(`${at}/hard`, nodeFs.constants.R_OK);
    return [told(nodeFs.statSync(`${at}/hard`)), nodeFs.statSync(`${at}/a/one`).mtimeMs, nodeFs.lstatSync(`${at}/soft`).mtimeMs, told(nodeFs.statSync(`${at}/handle`))];
  },
  'copies, moves and removals': async (at) => {
    nodeFs.copyFileSync(`${at}/a/one`, `${at}/copy`);
    await nodeFs.promises.copyFile(`${at}/copy`, `${at}/a/copy`, nodeFs.constants.COPYFILE_EXCL);
    nodeFs.renameSync(`${at}/copy`, `${at}/d/moved`);
    await nodeFs.promises.rename(`${at}/d`, `${at}/D`);
    nodeFs.truncateSync(`${at}/D/moved`, 2);
    await nodeFs.promises.truncate(`${at}/a/copy`, 100);
    nodeFs.unlinkSync(`${at}/dangling`);
    nodeFs.rmdirSync(`${at}/D/f`);
    nodeFs.rmSync(`${at}/a/b`, { recursive: true });
    await nodeFs.promises.rm(`${at}/none`, { force: true });
    const made = nodeFs.mkdtempSync(`${at}/D/made-`);
    return [names(nodeFs.readdirSync(at, { recursive: true })).filter((name) => !name.includes('made-')), nodeFs.statSync(`${at}/a/copy`).size, made.length];
  },
};

/** What is refused, with which code. */
const REFUSALS: Readonly<Record<string, (at: string) => unknown>> = {
  'a file that is not there': (at) => nodeFs.readFileSync(`${at}/none`),
  'nor with a promise': async (at) => nodeFs.promises.readFile(`${at}/none`),
  'a loop': (at) => nodeFs.openSync(`${at}/loop`, 'r'),
  'a directory as a file': (at) => nodeFs.readFileSync(`${at}/a`),
  'a file as a directory': (at) => nodeFs.readdirSync(`${at}/handle`),
  'a file that is there already': (at) => { nodeFs.writeFileSync(`${at}/handle`, '', { flag: 'wx' }); },
  'a directory that is there already': (at) => { nodeFs.mkdirSync(`${at}/a`); },
  'a directory with something in it': (at) => { nodeFs.rmdirSync(`${at}/a`); },
  'a directory into itself': (at) => { nodeFs.renameSync(`${at}/a`, `${at}/a/x`); },
  'a link to a directory': (at) => { nodeFs.linkSync(`${at}/a`, `${at}/x`); },
  'what is no link': (at) => nodeFs.readlinkSync(`${at}/handle`),
  'a descriptor for reading': (at) => {
    const fd = nodeFs.openSync(`${at}/handle`, 'r');
    try {
      return nodeFs.writeSync(fd, 'x');
    } finally {
      nodeFs.closeSync(fd);
    }
  },
  'an access that nobody has': (at) => { nodeFs.accessSync(`${at}/none`); },
};

async function refusal(action: () => unknown): Promise<unknown> {
  try {
    return await action();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code;
  }
}

if (vfs === undefined) {
  t.pass('the provider', { skip: 'this Node has no node:vfs; packaging/vfs does it with Node 26' });
} else {
  t.test('what node:fs does in the mount is what it does in a folder', async (test) => {
    const { root, provider, end } = mounted(test);
    test.ok(provider instanceof vfs.VirtualProvider);
    process.umask(0o022);
    const real = test.testdir({});
    for (const [name, step] of [...Object.entries(STEPS)]) {
      const said = async (at: string): Promise<string> => JSON.stringify(await step(at)).replaceAll(at, '');
      // Of a temporary name only the end is random.
      test.equal((await said(root)).replace(/,\d+\]$/, ''), (await said(real)).replace(/,\d+\]$/, ''), name);
    }
    for (const [name, action] of Object.entries(REFUSALS)) {
      const code = await refusal(() => action(real));
      test.type(code, 'string');
      test.equal(await refusal(() => action(root)), code, name);
    }
    end();
  });

  t.test('an application and its node_modules are run from the image', async (test) => {
    const { root, end } = mounted(test);
    const dep = `${root}/app/node_modules/dep`;
    nodeFs.mkdirSync(`${dep}/lib`, { recursive: true });
    nodeFs.writeFileSync(`${dep}/package.json`, JSON.stringify({ name: 'dep', exports: { '.': { import: './lib/dep.mjs', require: './lib/dep.cjs' } } }));
    nodeFs.writeFileSync(`${dep}/lib/dep.mjs`, "import { own } from 'by-link'; export const kind = `esm ${own}`;");
    nodeFs.writeFileSync(`${dep}/lib/dep.cjs`, "exports.kind = 'cjs';");
    // As pnpm lays packages out.
    nodeFs.mkdirSync(`${root}/store/by-link`, { recursive: true });
    nodeFs.writeFileSync(`${root}/store/by-link/package.json`, '{ "type": "module", "main": "main.js" }');
    nodeFs.writeFileSync(`${root}/store/by-link/main.js`, 'export const own = import.meta.url;');
    nodeFs.symlinkSync('../../store/by-link', `${root}/app/node_modules/by-link`);
    nodeFs.writeFileSync(`${root}/app/data.json`, '{ "n": 1 }');
    nodeFs.writeFileSync(`${root}/app/main.mjs`, "import { kind } from 'dep'; import data from './data.json' with { type: 'json' }; export { kind, data };");
    nodeFs.writeFileSync(`${root}/app/main.cjs`, "module.exports = [require('dep').kind, require('./data'), __filename];");
    // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call -- TypeScript would make require() of it
    const imported = (await new Function('path', 'return import(path)')(`${root}/app/main.mjs`)) as { kind: string; data: object };
    test.strictSame([imported.kind, imported.data], [`esm file://${root}/store/by-link/main.js`, { n: 1 }]);
    test.strictSame(createRequire(`${root}/app/`)('./main.cjs'), ['cjs', { n: 1 }, `${root}/app/main.cjs`]);
    end();
  });

  t.test('watchers are told of what is done through the mount, and through the facade of the provider', async (test) => {
    const { root, provider, end } = mounted(test);
    const seen: string[] = [];
    const watcher = nodeFs.watch(root, (type, name) => seen.push(`${type} ${name ?? ''}`));
    const abort = new AbortController();
    const inTurn = (async () => {
      const [first] = [await nodeFs.promises.watch(root, { signal: abort.signal })[Symbol.asyncIterator]().next()];
      return (first as { value: object }).value;
    })();
    nodeFs.writeFileSync(`${root}/new`, '1');
    provider.fs.mkdirSync('/folder');
    test.strictSame({ ...(await inTurn) }, { eventType: 'rename', filename: 'new' });
    abort.abort();
    await delay(1);
    test.strictSame(seen, ['rename new', 'change new', 'rename folder']);
    watcher.close();
    const sizes = new Promise((resolve) => {
      nodeFs.watchFile(`${root}/new`, { interval: 5 }, (now, before) => { resolve([now.size, before.size]); });
    });
    nodeFs.appendFileSync(`${root}/new`, '23');
    test.strictSame(await sizes, [3, 1]);
    nodeFs.unwatchFile(`${root}/new`);
    end();
  });

  t.test('a mount that is read only is so for node:vfs', async (test) => {
    const path = scratchPath(test);
    const device = openSync(path, { size: 1024 * 1024 });
    mkfsSync(device, { blockSize: 1024 });
    const ext2 = mount(device, { readOnly: true });
    const provider = createProvider(ext2);
    const virtual = vfs.create(provider, { emitExperimentalWarning: false });
    const root = virtual.mount();
    test.equal(provider.readonly, true);
    test.throws(() => { nodeFs.writeFileSync(`${root}/a`, ''); }, { code: 'EROFS' });
    await test.rejects(nodeFs.promises.mkdir(`${root}/a`), { code: 'EROFS' });
    virtual.unmount();
    ext2.unmount();
    device.closeSync();
  });

  t.test("another author's filesystem under it", (test) => {
    const device = openSync(scratchPath(test), { size: 4 * 1024 * 1024 });
    TinyFs.mkfs(device);
    const virtual = vfs.create(createProvider(new FlatFilesystem(TinyFs.mount(device))), { emitExperimentalWarning: false });
    const root = virtual.mount();
    nodeFs.writeFileSync(`${root}/module.cjs`, "exports.from = 'a tiny filesystem';");
    test.strictSame(createRequire(`${root}/`)('./module.cjs'), { from: 'a tiny filesystem' });
    virtual.unmount();
    device.closeSync();
    test.end();
  });

  t.test('what is still open keeps the filesystem', async (test) => {
    const { root, ext2, end } = mounted(test);
    nodeFs.writeFileSync(`${root}/open`, '1');
    const fd = nodeFs.openSync(`${root}/open`, 'r');
    nodeFs.unlinkSync(`${root}/open`);
    test.throws(() => { ext2.unmount(); }, { code: 'EBUSY' });
    test.equal(nodeFs.readFileSync(fd, 'utf8'), '1', 'a file without a name is read');
    nodeFs.closeSync(fd);
    const handle = await nodeFs.promises.open(`${root}/open`, 'w');
    await Promise.all([handle.write(Buffer.alloc(100_000)), handle.close()].map((work) => work.catch(() => undefined)));
    end();
  });

  t.test('the limits that docs/vfs.md tells are those of this Node', async (test) => {
    const { root, provider, virtual, end } = mounted(test);
    const outside = test.testdir({ file: 'outside' });
    nodeFs.writeFileSync(`${root}/file`, 'inside');
    nodeFs.mkdirSync(`${root}/folder`);
    test.match(root, /^\/dev\/null\/vfs\/\d+$/, 'the place is not asked for');
    test.throws(() => virtual.readFileSync('/file', 'utf8'), { code: 'ENOENT' }, 'the object too wants paths of the mount');
    test.equal(virtual.readFileSync(`${root}/file`, 'utf8'), 'inside');

    nodeFs.symlinkSync('/file', `${root}/from-root`);
    nodeFs.symlinkSync(`${root}/file`, `${root}/from-outside`);
    test.equal(nodeFs.readFileSync(`${root}/from-root`, 'utf8'), 'inside', 'an absolute link begins at the root of the filesystem');
    test.equal(nodeFs.existsSync(`${root}/from-outside`), false);

    for (const action of [() => { nodeFs.copyFileSync(`${root}/file`, `${outside}/copy`); }, () => { nodeFs.renameSync(`${root}/file`, `${outside}/moved`); }]) {
      test.throws(action, { code: 'EXDEV' }, 'nothing is moved or copied out in one call');
    }
    test.throws(() => { nodeFs.copyFileSync(`${outside}/file`, `${root}/copy`); }, { code: 'ENOTDIR' }, 'nor in');
    test.throws(() => { nodeFs.cpSync(`${root}/folder`, `${root}/copy`, { recursive: true }); }, { code: 'ENOTDIR' });
    test.throws(() => { nodeFs.cpSync(`${root}/folder`, `${outside}/copy`, { recursive: true }); }, { code: 'ENOTDIR' });
    test.throws(() => { process.chdir(root); }, { code: 'ENOTDIR' });
    test.equal(spawnSync('cat', [`${root}/file`]).status, 1, 'a child process sees nothing of it');
    test.match(spawnSync('true', { cwd: root }).error, { code: 'ENOTDIR' });
    const sqlite = getBuiltinModule?.('node:sqlite') as { DatabaseSync: new (path: string) => unknown };
    test.throws(() => new sqlite.DatabaseSync(`${root}/database`), { code: 'ERR_SQLITE_ERROR' });
    const { Worker } = await import('node:worker_threads');
    const worker = new Worker(`require('node:fs').readFileSync(${JSON.stringify(`${root}/file`)})`, { eval: true });
    const [error] = (await once(worker, 'error')) as [NodeJS.ErrnoException];
    test.equal(error.code, 'ENOTDIR', 'nor does another thread');

    test.equal(nodeFs.statfsSync(root).blocks, 0, 'the provider is not asked by statfs');
    test.equal(provider.fs.statfsSync('/').bsize, 1024, 'its facade knows');
    await test.rejects(nodeFs.promises.readFile(`${root}/none`), { message: /open '\/none'$/ }, 'errors tell paths from the root of the filesystem');
    test.equal(nodeFs.statSync(nodeFs.mkdtempSync(`${root}/made-`)).mode % 0o1000, 0o755, 'mkdtemp makes what others may read');
    const fd = nodeFs.openSync(`${root}/file`, 'r+');
    nodeFs.fchownSync(fd, 1, 1);
    test.equal(nodeFs.fstatSync(fd).uid, process.getuid?.(), 'fchown does nothing');
    test.throws(() => nodeFs.statSync(`${root}/file/below`), { code: 'ENOENT' }, 'below a file there is nothing, as below a folder');
    test.ok(Buffer.isBuffer((await collected(nodeFs.createReadStream(`${root}/file`, 'utf8')))[0]), 'a stream takes no encoding for its options');
    test.throws(() => { nodeFs.writev(fd, [Buffer.from('x')], () => undefined); }, { name: 'TypeError', message: 'h.writev is not a function' }, 'nor is there writev');
    nodeFs.closeSync(fd);
    end();
  });
}
