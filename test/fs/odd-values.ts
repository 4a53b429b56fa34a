// Owns the values that the sweep tries in the place of each argument, and arguments that are right.

/** A value by what it is called: made anew for each side. */
export type Odd = readonly [title: string, make: (root: string) => unknown];

class Foo {
  readonly bar = 1;
}

const plain = (value: unknown): Odd => [typeof value === 'bigint' ? `${value}n` : typeof value === 'string' ? JSON.stringify(value) : String(value), () => value];
const made = (title: string, make: (root: string) => unknown): Odd => [title, make];
const options = (value: object): Odd => [JSON.stringify(value), () => value];

export const ODD: readonly Odd[] = [
  ...[undefined, null, true, false].map(plain),
  ...[0, 1, -1, 7, 1.5, -1.5, 0o644, NaN, Infinity, 2 ** 32, 2 ** 53, 5n, -1n].map(plain),
  ...['', 'x', '7', '644', '9', 'utf8', 'hex', 'buffer', 'no-such', 'a\0b', 'none/x', 'r+', 'wx'].map(plain),
  made('a path', (root) => `${root}/f`),
  made('a path with a slash', (root) => `${root}/f/`),
  made('a directory', (root) => `${root}/dir`),
  made('a link', (root) => `${root}/link`),
  made('a long name', (root) => `${root}/${'n'.repeat(256)}`),
  made('bytes of a path', (root) => Buffer.from(`${root}/f`)),
  made('a URL', (root) => new URL(`file://${root}/f`)),
  made('a URL of the web', () => new URL('http://localhost/f')),
  made('a URL with a NUL', (root) => new URL(`file://${root}/f%00`)),
  ...[{ encoding: 5 }, { encoding: 'hex' }, { encoding: 'no-such' }, { recursive: true }, { recursive: 'x' }, { mode: '9' }, { mode: 0o600 }].map(options),
  ...[{ flag: 'q' }, { flag: 5 }, { flag: 'r+' }, { bigint: true }, { bigint: 1 }, { withFileTypes: true }, { withFileTypes: 1 }].map(options),
  ...[{ force: true }, { force: 5 }, { throwIfNoEntry: false }, { signal: 5 }, { flush: 'x' }, { length: 2 }, { length: 99 }, { position: 1 }].map(options),
  ...[{ position: -2 }, { offset: 9 }, { offset: 1 }, { bufferSize: 1 }, { maxRetries: -1 }, {}].map(options),
  made('[]', () => []),
  made('[1]', () => [1]),
  made('views', () => [Buffer.from('ab'), new Uint16Array(2)]),
  made('an object', () => new Foo()),
  made('a date', () => new Date(5000)),
  made('no date', () => new Date(NaN)),
  made('bytes', () => Uint8Array.of(104, 105, 106, 107)),
  made('words', () => Uint16Array.of(26984, 26985)),
  made('a view', () => new DataView(new ArrayBuffer(4), 1)),
  made('nothing of bytes', () => new Uint8Array(0)),
  made('shared bytes', () => new Uint8Array(new SharedArrayBuffer(4))),
  made('memory', () => new ArrayBuffer(4)),
];

const at = (path: string) => made(path, (root) => root + path);
/** Stands for a descriptor of `/f` that each side has opened. */
export const FD: Odd = ['fd', () => undefined];
const bytes = made('bytes', () => Buffer.from('abcd'));

/** The functions, with arguments that are right. */
export const CALLS: Readonly<Record<string, readonly Odd[]>> = {
  access: [at('/f'), plain(0)],
  appendFile: [at('/f'), plain('x'), plain('utf8')],
  chmod: [at('/f'), plain(0o600)],
  chown: [at('/f'), plain(1), plain(1)],
  close: [FD],
  copyFile: [at('/f'), at('/copy'), plain(0)],
  cp: [at('/dir'), at('/copied'), options({ recursive: true })],
  exists: [at('/f')],
  fchmod: [FD, plain(0o600)],
  fchown: [FD, plain(1), plain(1)],
  fdatasync: [FD],
  fstat: [FD, options({})],
  fsync: [FD],
  ftruncate: [FD, plain(2)],
  futimes: [FD, plain(1), plain(2)],
  lchown: [at('/link'), plain(1), plain(1)],
  link: [at('/f'), at('/hard')],
  lstat: [at('/link'), options({})],
  lutimes: [at('/link'), plain(1), plain(2)],
  mkdir: [at('/made'), plain(0o700)],
  mkdtemp: [at('/tmp-'), plain('utf8')],
  open: [at('/f'), plain('r'), plain(0o666)],
  opendir: [at('/dir'), options({})],
  read: [FD, bytes, plain(0), plain(2), plain(1)],
  readFile: [at('/f'), plain('utf8')],
  readdir: [at('/'), plain('utf8')],
  readlink: [at('/link'), plain('utf8')],
  readv: [FD, made('views', () => [Buffer.alloc(2), Buffer.alloc(3)]), plain(1)],
  realpath: [at('/link'), plain('utf8')],
  rename: [at('/f'), at('/moved')],
  rm: [at('/f'), options({})],
  rmdir: [at('/empty'), options({})],
  stat: [at('/f'), options({})],
  statfs: [at('/f'), options({})],
  symlink: [plain('f'), at('/soft'), plain('file')],
  truncate: [at('/f'), plain(2)],
  unlink: [at('/f')],
  utimes: [at('/f'), plain(1), plain(2)],
  write: [FD, bytes, plain(0), plain(2), plain(1)],
  writeFile: [at('/f'), plain('x'), plain('utf8')],
  writev: [FD, made('views', () => [Buffer.from('ab'), Buffer.from('cde')]), plain(1)],
};

/**
 * Whether a value is a descriptor that the process may have but that is not one of the facade's. Functions that also take a path
 * refuse a negative one in a later turn of the event loop, where nobody can catch the error.
 */
export function isHosts(name: string, position: number, value: unknown): boolean {
  if (position > 0 || typeof value !== 'number' || value >= 2 ** 30) return false;
  return (CALLS[name]?.[0] === FD && value >= 0) || /^(readFile|writeFile|appendFile|truncate)$/.test(name);
}
