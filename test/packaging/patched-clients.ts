// Owns the clients that take no `fs`: they require `fs`, `node:fs` and the promises of these, and are given others instead.

import { once } from 'node:events';
import type * as nodeFs from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import Module from 'node:module';
import { join } from 'node:path';
import { populate, sorted, treeOf, type Client, type Place } from './clients.js';

type Fs = typeof nodeFs;
type Any = (...args: unknown[]) => unknown;

let given: Readonly<Record<string, unknown>> | undefined;

/** From now on whoever requires `fs` or `fs/promises` gets these. */
export function giveEverybody(fs: Fs): void {
  const loader = Module as unknown as { _load: Any };
  const load = loader._load;
  if (given === undefined) loader._load = (request, ...rest) => given?.[request as string] ?? load.call(Module, request, ...rest);
  given = { 'fs': fs, 'node:fs': fs, 'fs/promises': fs.promises, 'node:fs/promises': fs.promises };
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const HEADERS = ['accept-ranges', 'cache-control', 'content-length', 'content-range', 'content-type', 'etag', 'last-modified', 'location'];

interface Asked {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
}

/** What a server with this handler answers. */
async function answers(handler: Handler, asked: readonly Asked[]): Promise<unknown[]> {
  const server = createServer(handler);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const told: unknown[] = [];
  for (const { path, ...options } of asked) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual', ...options });
    const headers = HEADERS.map((name) => `${name}: ${response.headers.get(name) ?? ''}`);
    told.push([path, response.status, headers, await response.text()]);
  }
  server.closeAllConnections();
  server.close();
  return told;
}

function withTimes(fs: Fs, dir: string): void {
  for (const name of ['first.js', 'second.js', 'deep/third.txt', 'deep']) fs.utimesSync(join(dir, 'source', name), 1_700_000_000, 1_700_000_000);
}

/** The clients by name. */
export function patchedClients({ load }: Place): Readonly<Record<string, Client>> {
  const call = (name: string) => load(name) as Any & Record<string, Any>;
  return {
    'fs-extra': async (fs, dir) => {
      const extra = load('fs-extra') as Record<string, (...args: unknown[]) => Promise<unknown>>;
      const at = (path: string) => join(dir, path);
      await extra['copy']?.(at('source'), at('copied'), { preserveTimestamps: true });
      await extra['copySync']?.(at('source'), at('copied at once'));
      await extra['move']?.(at('copied'), at('moved'));
      await extra['outputJson']?.(at('made/by/extra.json'), { one: 1 }, { spaces: 2 });
      await extra['ensureLink']?.(at('source/first.js'), at('links/hard'));
      await extra['ensureSymlink']?.(at('source/second.js'), at('links/soft'));
      await extra['ensureFile']?.(at('files/empty'));
      await extra['emptyDir']?.(at('moved/deep'));
      await extra['removeSync']?.(at('copied at once'));
      const refused = await extra['copy']?.(at('source'), at('source/deep/inside')).catch((error: unknown) => (error as Error).message);
      return [treeOf(fs, dir), await extra['readJson']?.(at('made/by/extra.json')), await extra['pathExists']?.(at('copied')), refused];
    },
    rimraf: async (fs, dir) => {
      const rimraf = load('rimraf') as Record<string, (path: string | string[], options?: object) => unknown>;
      const done: unknown[] = [];
      for (const way of ['rimraf', 'manual', 'native', 'moveRemove', 'rimrafSync', 'manualSync', 'nativeSync', 'moveRemoveSync']) {
        populate(fs, join(dir, way));
        fs.symlinkSync('nowhere', join(dir, way, 'broken'));
        done.push(way, await rimraf[way]?.(join(dir, way), { tmp: dir }), fs.existsSync(join(dir, way)));
      }
      for (const name of ['a.tmp', 'b.tmp', 'c.kept']) fs.writeFileSync(join(dir, name), name);
      await rimraf['rimraf']?.(join(dir, '*.tmp'), { glob: true });
      return [done, treeOf(fs, dir)];
    },
    'write-file-atomic': async (fs, dir) => {
      const write = call('write-file-atomic') as unknown as { (path: string, data: string, options?: object): Promise<void>; sync: (path: string, data: string, options?: object) => void };
      await Promise.all(Array.from({ length: 10 }, (_, n) => write(join(dir, 'in-turn'), `content ${n}`)));
      await write(join(dir, 'private'), 'secret', { mode: 0o600 });
      await write(join(dir, 'source/first.js'), 'written again');
      write.sync(join(dir, 'at-once'), 'sync');
      const refused = await write(join(dir, 'none/file'), 'data').catch((error: unknown) => (error as NodeJS.ErrnoException).code);
      return [treeOf(fs, dir), refused];
    },
    send: async (fs, dir) => {
      withTimes(fs, dir);
      const send = call('send') as unknown as (request: IncomingMessage, path: string, options: object) => NodeJS.ReadWriteStream & { pipe: (response: ServerResponse) => void };
      const [whole] = await answers((request, response) => { send(request, request.url ?? '', { root: join(dir, 'source') }).pipe(response); }, [{ path: '/first.js' }]) as [[string, number, string[]]];
      const etag = whole[2].find((header) => header.startsWith('etag: '))?.slice('etag: '.length) ?? '';
      return [whole, await answers((request, response) => { send(request, request.url ?? '', { root: join(dir, 'source') }).pipe(response); }, [
        { path: '/first.js', headers: { range: 'bytes=3-9' } },
        { path: '/first.js', headers: { range: 'bytes=90000-' } },
        { path: '/first.js', headers: { 'if-none-match': etag } },
        { path: '/deep/third.txt', method: 'HEAD' },
        { path: '/deep' },
        { path: '/none' },
        { path: '/deep/..%2f..%2f..%2fetc/passwd' },
      ])];
    },
    'serve-static': async (fs, dir) => {
      withTimes(fs, dir);
      const serve = (call('serve-static') as Any)(join(dir, 'source'), { index: ['first.js'], maxAge: 5000, extensions: ['txt'] }) as (request: IncomingMessage, response: ServerResponse, next: () => void) => void;
      return answers((request, response) => {
        serve(request, response, () => {
          response.statusCode = 404;
          response.end('no such file');
        });
      }, [{ path: '/' }, { path: '/second.js' }, { path: '/deep/third' }, { path: '/deep' }, { path: '/none' }, { path: '/first.js', method: 'POST' }]);
    },
    chokidar: async (fs, dir) => {
      const watcher = (call('chokidar')['watch'] as Any)(dir) as NodeJS.EventEmitter & { close: () => Promise<void>; getWatched: () => Record<string, string[]> };
      try {
        const seen = new Set<string>();
        watcher.on('all', (event: string, path: string) => { seen.add(`${event} ${path}`); });
        await once(watcher, 'ready');
        const first = sorted(seen);
        const until = async (event: string, path: string, change: () => void): Promise<void> => {
          change();
          while (!seen.has(`${event} ${path}`)) await once(watcher, 'all');
        };
        const at = (path: string) => join(dir, 'source', path);
        await until('add', at('new.txt'), () => { fs.writeFileSync(at('new.txt'), 'new'); });
        await until('change', at('first.js'), () => { fs.appendFileSync(at('first.js'), '// more'); });
        await until('addDir', at('made'), () => { fs.mkdirSync(at('made')); });
        await until('unlink', at('second.js'), () => { fs.unlinkSync(at('second.js')); });
        await until('unlink', at('deep/third.txt'), () => { fs.unlinkSync(at('deep/third.txt')); });
        await until('unlinkDir', at('deep'), () => { fs.rmdirSync(at('deep')); });
        const watched = watcher.getWatched();
        return [first, sorted(seen), Object.entries(watched).sort().map(([path, names]) => [path, sorted(names)])];
      } finally {
        await watcher.close();
      }
    },
  };
}
