// Owns what a call of node:fs answers and what a tree has, in words that are the same on a real filesystem and here.

import type * as nodeFs from 'node:fs';

type Fs = typeof nodeFs;
type Any = (...args: unknown[]) => unknown;
type Table = Readonly<Record<string, Any | undefined>>;

export type Form = 'sync' | 'callback' | 'promise';
export const FORMS: readonly Form[] = ['sync', 'callback', 'promise'];

/** Everything that is there: content, targets, permissions, owners, times that were set. */
export function snapshot(fs: Fs, path: string): string {
  return fs.readdirSync(path).map((name) => {
    const whole = `${path}/${name}`;
    const stat = fs.lstatSync(whole);
    const set = stat.mtimeMs < 1e9 ? String(stat.mtimeMs) : '';
    const what = `${stat.isDirectory() && stat.mode % 0o1000 === 0o700 ? name.slice(0, -6) : name} ${stat.mode.toString(8)} ${stat.nlink} ${stat.uid}:${stat.gid} ${set}`;
    if (stat.isDirectory()) return `${what} [${snapshot(fs, whole)}]`;
    if (stat.size > 1e6) return `${what} ${stat.size}`;
    return `${what} ${stat.isSymbolicLink() ? fs.readlinkSync(whole) : fs.readFileSync(whole, 'hex')}`;
  }).join('; ');
}

/** A result, in words that are the same on both sides. */
async function plain(fs: Fs, name: string, value: unknown): Promise<unknown> {
  if (name === 'open' && typeof value === 'number') {
    fs.closeSync(value);
    return 'a descriptor';
  }
  if (typeof value === 'string') return name === 'mkdtemp' ? value.slice(0, value.length % 2 === 0 && /^[0-9a-f]+$/.test(value) ? -12 : -6) : value;
  if (Array.isArray(value)) return Promise.all(value.map((item) => plain(fs, name, item)));
  if (ArrayBuffer.isView(value)) {
    const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
    return name === 'mkdtemp' ? `${value.constructor.name} ${text.slice(0, -12)}` : `${value.constructor.name} ${text}`;
  }
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? `${value}n` : value;
  const kind = (value as { constructor?: { name: string } }).constructor?.name;
  if (kind === 'FileHandle') {
    await (value as nodeFs.promises.FileHandle).close();
    return 'a handle';
  }
  if (kind === 'Dir') {
    const names: string[] = [];
    for await (const { name: entry } of value as nodeFs.Dir) names.push(entry);
    return names.sort();
  }
  if (kind === 'Stats' || kind === 'BigIntStats') {
    const { mode, nlink, size } = value as nodeFs.Stats;
    return [kind, Object.keys(value), String(mode), String(nlink), (value as nodeFs.Stats).isDirectory() ? '' : String(size)];
  }
  if (kind === 'Dirent') return [Object.keys(value), (value as nodeFs.Dirent).isDirectory()];
  if (kind === 'StatFs') return [Object.keys(value), typeof (value as nodeFs.StatsFs).bsize];
  const members = Object.entries(value).map(async ([key, member]) => [key, await plain(fs, name, member)] as const);
  return Object.fromEntries(await Promise.all(members));
}

function sorted(value: object): object {
  const entries = Object.entries(value).map(([key, member]) => [key, key === 'info' ? sorted(member as object) : (member as unknown)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function said(error: unknown): unknown {
  if (!(error instanceof Error)) return { thrown: error };
  const { name, message } = error;
  const own = sorted(error);
  const short = (text: string) => text.replace(/tmp-\w{6}/g, 'tmp-');
  return { name, message: short(message), own };
}

/** What a call of a function in one of its forms says. What is thrown at once is told apart from what comes later. */
export async function answer(fs: Fs, form: Form, name: string, args: readonly unknown[]): Promise<unknown> {
  const table = (form === 'promise' ? fs.promises : fs) as unknown as Table;
  const action = table[form === 'sync' ? `${name}Sync` : name];
  if (action === undefined) return 'not there';
  try {
    if (form === 'callback') {
      const results = await new Promise<unknown[]>((resolve) => {
        action(...args, (...all: unknown[]) => { resolve(all); });
      });
      const [error, ...values] = results;
      return { called: [error instanceof Error ? said(error) : error, ...(await Promise.all(values.map((value) => plain(fs, name, value))))] };
    }
    return { result: await plain(fs, name, await action(...args)) };
  } catch (error) {
    return said(error);
  }
}
