// Programs of the registry that take an `fs`: each does the same on a real filesystem and on one in persistent memory, with the
// same result, and the host has nothing of the second.

import { createRequire } from 'node:module';
import nodeFs from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { openScratch } from 'node-dax';
import { mkfsSync, mount } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { ALL, ROOT, run, temporaryFolder, testWith } from './consumer.js';

type Fs = typeof nodeFs;
type Any = (...args: unknown[]) => unknown;
type Git = Record<string, ((options: object) => Promise<unknown>) | undefined>;

const PACKAGES = [
  'archiver@7.0.1', 'enhanced-resolve@5.27.0', 'fast-glob@3.3.3', 'glob@11.1.0', 'globby@11.1.0', 'graceful-fs@4.2.11', 'isomorphic-git@1.44.19',
  'memfs@4.80.1', 'mkdirp@1.0.4', 'proper-lockfile@4.1.2', 'rollup@4.53.0', 'tar-fs@3.1.3', 'tinyglobby@0.2.17', 'unionfs@4.6.0',
  'unzipper@0.12.3', 'webpack@5.113.0',
];
const COMMITS = 200;
const author = { name: 'The author', email: 'author@example.org', timestamp: 1_700_000_000, timezoneOffset: 0 };

const sorted = (names: unknown): string[] => [...(names as string[])].sort();

/** What each program is asked to do below `dir`, and what comes of it: paths are told from `dir` on. */
function clients(load: NodeJS.Require): Readonly<Record<string, (fs: Fs, dir: string) => unknown>> {
  const call = (name: string) => load(name) as Any & Record<string, Any>;
  return {
    'fast-glob': async (fs, cwd) => [sorted(await call('fast-glob')['glob']?.('**/*', { fs, cwd })), sorted(call('fast-glob')['globSync']?.('**/*.js', { fs, cwd }))],
    glob: async (fs, cwd) => [sorted(await call('glob')['glob']?.('**/*', { fs, cwd })), sorted(call('glob')['globSync']?.('**/*.js', { fs, cwd }))],
    globby: async (fs, cwd) => sorted(await call('globby')('**/*', { fs, cwd })),
    tinyglobby: async (fs, cwd) => sorted(await call('tinyglobby')['glob']?.('**/*', { fs, cwd })),
    mkdirp: async (fs, dir) => {
      await call('mkdirp')(join(dir, 'made/by/mkdirp'), { fs });
      call('mkdirp')['sync']?.(join(dir, 'made/sync'), { fs });
      return sorted(fs.readdirSync(join(dir, 'made')));
    },
    'enhanced-resolve': async (fs, dir) => {
      const { create, CachedInputFileSystem } = load('enhanced-resolve') as { create: Any; CachedInputFileSystem: new (fs: Fs, ms: number) => object };
      const resolve = create({ fileSystem: new CachedInputFileSystem(fs, 0) }) as Any;
      return new Promise((done, failed) => resolve(join(dir, 'source'), './second', (error: Error | null, found: string) => { if (error === null) done(found); else failed(new Error(error.message)); }));
    },
    'proper-lockfile': async (fs, dir) => {
      const { lock, check } = load('proper-lockfile') as { lock: (path: string, options: object) => Promise<() => Promise<void>>; check: (path: string, options: object) => Promise<boolean> };
      const path = join(dir, 'source/first.js');
      const release = await lock(path, { fs });
      const states = [await check(path, { fs }), await lock(path, { fs }).catch((error: unknown) => (error as { code: string }).code)];
      await release();
      return [...states, await check(path, { fs })];
    },
    'tar-fs': async (fs, dir) => {
      const { pack, extract } = load('tar-fs') as { pack: (path: string, options: object) => NodeJS.ReadableStream; extract: (path: string, options: object) => NodeJS.WritableStream };
      await once(pack(join(dir, 'source'), { fs }).pipe(extract(join(dir, 'unpacked'), { fs })), 'finish');
      const names = sorted(fs.readdirSync(join(dir, 'unpacked'), { recursive: true }));
      return [names, fs.readFileSync(join(dir, 'unpacked/deep/third.txt'), 'utf8'), fs.statSync(join(dir, 'unpacked/first.js')).mode];
    },
    unionfs: (fs, dir) => {
      const { Union } = load('unionfs') as { Union: new () => { use: (fs: unknown) => { use: (fs: unknown) => void }; readFileSync: Fs['readFileSync'] } };
      const { Volume } = load('memfs') as { Volume: { fromJSON: (files: object) => unknown } };
      const union = new Union();
      union.use(fs).use(Volume.fromJSON({ [join(dir, 'in-memory')]: 'of the other' }));
      return [union.readFileSync(join(dir, 'in-memory'), 'utf8'), union.readFileSync(join(dir, 'source/second.js'), 'utf8')];
    },
    archiver: async (fs, dir) => {
      const archive = call('archiver')('zip', { store: true }) as NodeJS.ReadableStream & Record<string, Any>;
      const target = fs.createWriteStream(join(dir, 'archive.zip'));
      for (const name of ['first.js', 'deep/third.txt']) archive['append']?.(fs.createReadStream(join(dir, 'source', name)), { name, date: new Date(0) });
      archive.pipe(target);
      await Promise.all([once(target, 'close'), archive['finalize']?.()]);
      return fs.readFileSync(join(dir, 'archive.zip'), 'hex');
    },
    unzipper: async (fs, dir) => {
      const archive = call('archiver')('zip') as NodeJS.ReadableStream & Record<string, Any>;
      const target = fs.createWriteStream(join(dir, 'packed.zip'));
      archive['append']?.(fs.createReadStream(join(dir, 'source/second.js')), { name: 'second.js' });
      archive.pipe(target);
      await Promise.all([once(target, 'close'), archive['finalize']?.()]);
      const found: unknown[] = [];
      const entries = fs.createReadStream(join(dir, 'packed.zip')).pipe((call('unzipper')['Parse'] as Any)({ forceStream: true }) as NodeJS.ReadWriteStream);
      for await (const entry of entries as unknown as AsyncIterable<{ path: string; buffer: () => Promise<Buffer> }>) found.push([entry.path, (await entry.buffer()).toString()]);
      return found;
    },
    rollup: async (fs, dir) => {
      fs.writeFileSync(join(dir, 'source/entry.mjs'), 'import { two } from "./two.mjs";\nexport const three = two + 1;\n');
      fs.writeFileSync(join(dir, 'source/two.mjs'), 'export const two = 2;\n');
      const bundle = (await (call('rollup')['rollup'] as Any)({ input: join(dir, 'source/entry.mjs'), fs: fs.promises })) as Record<string, Any>;
      await bundle['write']?.({ dir: join(dir, 'rolled') });
      await bundle['close']?.();
      return [sorted(fs.readdirSync(join(dir, 'rolled'))), fs.readFileSync(join(dir, 'rolled/entry.js'), 'utf8')];
    },
    'graceful-fs': async (fs, dir) => {
      const graceful = (call('graceful-fs')['gracefulify'] as Any)({ ...fs }) as Fs;
      await Promise.all(Array.from({ length: 300 }, async (_, n) => new Promise<void>((done, failed) => {
        graceful.writeFile(join(dir, `graceful-${n}`), String(n), (error) => { if (error === null) done(); else failed(error); });
      })));
      return [graceful.readdirSync(dir).length, graceful.readFileSync(join(dir, 'graceful-299'), 'utf8')];
    },
    webpack: async (fs, dir) => {
      const output = { path: join(dir, 'out'), filename: 'bundle.js', library: { type: 'commonjs2' } };
      const compiler = call('webpack')({ mode: 'production', context: dir, entry: './source/first.js', output }) as { inputFileSystem: Fs; outputFileSystem: Fs; run: (done: Any) => void; close: (done: () => void) => void };
      compiler.inputFileSystem = compiler.outputFileSystem = fs;
      await new Promise<void>((done, failed) => {
        compiler.run((error, stats) => {
          if (error !== null) failed(new Error((error as Error).message));
          else if ((stats as { hasErrors: () => boolean }).hasErrors()) failed(new Error(String(stats)));
          else compiler.close(done);
        });
      });
      return [fs.readdirSync(join(dir, 'out')), fs.readFileSync(join(dir, 'out/bundle.js'), 'utf8')];
    },
    'isomorphic-git': async (fs, above) => {
      const git = load('isomorphic-git') as Git;
      const dir = join(above, 'repository');
      const run = async (name: string, options: object = {}): Promise<unknown> => (git[name] as (all: object) => Promise<unknown>)({ fs, dir, author, committer: author, ...options });
      const commit = async (filepath: string, content: string): Promise<void> => {
        await fs.promises.writeFile(join(dir, filepath), content);
        await run('add', { filepath });
        await run('commit', { message: `${filepath} is ${content}` });
      };
      await run('init', { defaultBranch: 'main' });
      for (let n = 0; n < COMMITS; n++) await commit(`file-${n % 7}`, `content ${n}`);
      await run('branch', { ref: 'side', checkout: true });
      await commit('on-the-side', 'of it');
      await run('checkout', { ref: 'main' });
      await commit('on-the-main', 'line');
      const { oid } = (await run('merge', { ours: 'main', theirs: 'side' })) as { oid: string };
      await run('checkout', { ref: 'main' });
      return [oid, ((await run('log')) as unknown[]).length, await run('statusMatrix')];
    },
  };
}

function populate(fs: Fs, dir: string): void {
  fs.mkdirSync(join(dir, 'source/deep'), { recursive: true });
  fs.writeFileSync(join(dir, 'source/first.js'), 'module.exports = require("./second.js") + 1;\n', { mode: 0o755 });
  fs.writeFileSync(join(dir, 'source/second.js'), 'module.exports = 41;\n');
  fs.writeFileSync(join(dir, 'source/deep/third.txt'), 'third');
}

// The examples of docs/fs.md that need programs of the registry, in a project that has them.
function examples(): [code: string, output: string][] {
  const text = nodeFs.readFileSync(join(ROOT, 'docs', 'fs.md'), 'utf8');
  return [...text.matchAll(/```mjs\n(.*?)```\n\n```text\n(.*?)```/gs)].map(([, code = '', output = '']) => [code, output]);
}

if (ALL) {
  testWith(t, 'programs that take an fs', 'clients-2', PACKAGES, (t, modules) => {
    t.setTimeout(600_000);
    void t.test('the examples of the documents', (t) => {
      const project = temporaryFolder(t, 'examples');
      const links = join(project, 'node_modules');
      nodeFs.mkdirSync(links);
      nodeFs.symlinkSync(ROOT, join(links, 'node-dax'));
      for (const name of ['fast-glob', 'isomorphic-git']) nodeFs.symlinkSync(join(modules, name), join(links, name));
      const found = examples();
      t.ok(found.length > 0);
      for (const [code, output] of found) {
        nodeFs.writeFileSync(join(project, 'example.mjs'), code);
        t.strictSame(run(process.execPath, ['example.mjs'], { cwd: project }), { status: 0, stdout: output, stderr: '' });
      }
      for (const name of nodeFs.readdirSync('/dev/shm')) if (name.startsWith('example')) nodeFs.rmSync(join('/dev/shm', name));
      t.end();
    });
    const load = createRequire(join(modules, 'any.js'));
    for (const [name, work] of Object.entries(clients(load))) {
      void t.test(name, async (t) => {
        const device = openScratch(128 * 1024 * 1024);
        mkfsSync(device);
        const ext2 = mount(device);
        const ours = createFs(ext2);
        const host = temporaryFolder(t, 'clients');
        // Where the host has nothing, and must have nothing afterwards.
        const dir = `${host}-in-persistent-memory`;
        const told: string[] = [];
        for (const [fs, root] of [[nodeFs, host], [ours, dir]] as const) {
          populate(fs, root);
          told.push(JSON.stringify(await work(fs, root)).replaceAll(root, ''));
        }
        t.equal(told[1], told[0]);
        t.notOk(nodeFs.existsSync(dir), 'nothing of it is on the host');
        ext2.unmount();
        await device.close();
      });
    }
  });
} else {
  t.pass('programs that take an fs', { skip: 'NODE_DAX_TEST_PACKAGING=all fetches them' });
}
