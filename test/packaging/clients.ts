// Owns the clients that are given an `fs`: what each is asked to do below a directory.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type * as nodeFs from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';

type Fs = typeof nodeFs;
type Any = (...args: unknown[]) => unknown;
type Git = Record<string, ((options: object) => Promise<unknown>) | undefined>;

/** What a program is asked to do below `dir`, and what comes of it. */
export type Client = (fs: Fs, dir: string) => unknown;

/** The packages that the clients are, and what else is theirs. */
export interface Place {
  readonly load: NodeJS.Require;
  /** The folder `node_modules` that has them, on the host. */
  readonly modules: string;
  /** The package that `tar-stream` copies. */
  readonly tree: string;
  /** Of a repository that can be cloned. */
  readonly url: string;
}

const author = { name: 'The author', email: 'author@example.org', timestamp: 1_700_000_000, timezoneOffset: 0 };

export const sorted = (names: unknown): string[] => [...(names as string[])].sort();

/** A small tree below `dir`. */
export function populate(fs: Fs, dir: string): void {
  fs.mkdirSync(join(dir, 'source/deep'), { recursive: true });
  fs.writeFileSync(join(dir, 'source/first.js'), 'module.exports = require("./second.js") + 1;\n', { mode: 0o755 });
  fs.writeFileSync(join(dir, 'source/second.js'), 'module.exports = 41;\n');
  fs.writeFileSync(join(dir, 'source/deep/third.txt'), 'third');
}

/** Everything below `dir`: each path with its permissions, and its content, as `shown` has it, or its target. */
export function treeOf(fs: Fs, dir: string, shown = (content: string): string => content): string[] {
  return sorted(fs.readdirSync(dir, { recursive: true })).map((name) => {
    const path = join(dir, name);
    const stats = fs.lstatSync(path);
    const content = stats.isFile() ? shown(fs.readFileSync(path, 'latin1')) : stats.isSymbolicLink() ? fs.readlinkSync(path) : '';
    return `${name} ${stats.mode.toString(8)} ${content}`;
  });
}

// Files that have times in them, and numbers of inodes: git's index, and an archive.
const OF_THE_MOMENT = /^((?:repository|clone)\/\.git\/index|packed\.zip) (\d+) .*$/;

/** As `treeOf`, with a digest of each content: the same wherever `dir` is, and whenever the client ran. */
export function digestsOf(fs: Fs, below: string, dir = below): string[] {
  const digest = (content: string): string => createHash('sha256').update(content.replaceAll(dir, '')).digest('hex');
  return treeOf(fs, below, digest).map((line) => line.replaceAll(dir, '').replace(OF_THE_MOMENT, '$1 $2'));
}

/** Commits so many times, branches, merges, clones, and says what is there. */
function repository({ load, url }: Place, commits: number): Client {
  return async (fs, above) => {
    const git = load('isomorphic-git') as Git;
    const http = load('isomorphic-git/http/node') as object;
    const inFolder = (dir: string) => async (name: string, options: object = {}): Promise<unknown> =>
      (git[name] as (all: object) => Promise<unknown>)({ fs, dir, author, committer: author, ...options });
    const dir = join(above, 'repository');
    const run = inFolder(dir);
    const commit = async (filepath: string, content: string): Promise<void> => {
      await fs.promises.writeFile(join(dir, filepath), content);
      await run('add', { filepath });
      await run('commit', { message: `${filepath} is ${content}` });
    };
    await run('init', { defaultBranch: 'main' });
    for (let n = 0; n < commits; n++) await commit(`file-${n % 7}`, `content ${n}`);
    await run('branch', { ref: 'side', checkout: true });
    await commit('on-the-side', 'of it');
    await run('checkout', { ref: 'main' });
    await commit('on-the-main', 'line');
    const { oid } = (await run('merge', { ours: 'main', theirs: 'side' })) as { oid: string };
    await run('checkout', { ref: 'main' });
    const made = [oid, ((await run('log')) as unknown[]).length, await run('statusMatrix')];
    const clone = inFolder(join(above, 'clone'));
    await clone('clone', { http, url });
    const log = ((await clone('log')) as { oid: string }[]).map((one) => one.oid);
    const cloned = [log, await clone('listBranches', { remote: 'origin' }), await clone('listTags'), await clone('statusMatrix')];
    return [...made, ...cloned, fs.readFileSync(join(above, 'clone/README'), 'latin1')];
  };
}

/** The clients by name. */
export function clients(place: Place): Readonly<Record<string, Client>> {
  const { load, modules, tree } = place;
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
      // One after the other: a stream of pack that is destroyed while a file begins emits an error that nobody can listen to.
      const archive = await buffer(pack(join(dir, 'source'), { fs }));
      await pipeline(Readable.from([archive]), extract(join(dir, 'unpacked'), { fs }));
      const names = sorted(fs.readdirSync(join(dir, 'unpacked'), { recursive: true }));
      return [names, fs.readFileSync(join(dir, 'unpacked/deep/third.txt'), 'utf8'), fs.statSync(join(dir, 'unpacked/first.js')).mode];
    },
    'tar-stream': async (fs, dir) => {
      const { pack, extract } = load('tar-fs') as { pack: (path: string, options?: object) => NodeJS.ReadableStream; extract: (path: string, options: object) => NodeJS.WritableStream };
      const { extract: read } = load('tar-stream') as { extract: () => NodeJS.ReadWriteStream & AsyncIterable<NodeJS.ReadableStream & { header: Record<string, unknown> }> };
      // A tree of node_modules, out of the host and back into an archive.
      await pipeline(pack(join(modules, tree)), extract(join(dir, tree), { fs }));
      const entries: unknown[] = [];
      const archive = pack(join(dir, tree), { fs }).pipe(read());
      for await (const entry of archive as unknown as AsyncIterable<NodeJS.ReadableStream & { header: Record<string, unknown> }>) {
        const hash = createHash('sha256');
        for await (const chunk of entry) hash.update(chunk as Buffer);
        const { name, mode, mtime, size, type } = entry.header;
        // What is put into a directory gives it a new time.
        entries.push([name, mode, type === 'directory' ? '' : mtime, size, type, hash.digest('hex')].join(' '));
      }
      return sorted(entries);
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
    'isomorphic-git': repository(place, 200),
    'isomorphic-git, few commits': repository(place, 2),
  };
}
