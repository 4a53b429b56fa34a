// The packed tarball: what is in it, and that it works in an empty project, with no compiler, on every supported Node.

import { cpSync, existsSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join, posix } from 'node:path';
import t from 'tap';
import { bundlers } from './bundlers.js';
import {
  ALL,
  PREBUILT,
  PRINTED,
  ROOT,
  barePath,
  emptyProject,
  endOffline,
  filesUnder,
  headers,
  isMusl,
  isOffline,
  must,
  npm,
  npx,
  pack,
  run,
  temporaryFolder,
} from './consumer.js';
import { fromGit } from './from-git.js';
import { otherNodes } from './other-nodes.js';

const SHORT = 'NODE_DAX_TEST_PACKAGING=all compiles it';

const ROUND_TRIP = `
async function roundTrip(open, path) {
  const device = await open(path, { size: 65536 });
  device.writeSync(Buffer.from('persistent'), 4090);
  device.view(5000, 6).set(Buffer.from('memory'));
  device.persist(5000, 6);
  await device.close();
  const again = await open(path);
  const words = Buffer.alloc(10);
  await again.read(words, 4090);
  const result = words + ' ' + Buffer.from(again.view(5000, 6));
  await again.close();
  console.log(result);
}
`;

const FILES = {
  'esm.mjs': `import { open, DaxDevice } from 'node-dax';\n${ROUND_TRIP}\nawait roundTrip(open, process.argv[2]);\n`,
  'cjs.cjs': `const { open } = require('node-dax');\n${ROUND_TRIP}\nvoid roundTrip(open, process.argv[2]);\n`,
  'loaded.cjs': `
for (const name of ['', '/drivers', '/ext2', '/famfs', '/fs', '/log', '/testkit', '/vfs', '/vm']) require('node-dax' + name);
try { require('node-dax').openSync('/dev/null'); } catch {}
const loaded = Object.keys(require.cache).map((file) => /node_modules\\/((?:@[^/]+\\/)?[^/]+)\\/(?!.*node_modules)/.exec(file)?.[1]);
console.log([...new Set(loaded)].filter((name) => name !== undefined).sort().join(' '));
`,
  'absent.cjs': `try { require('node-dax').openSync('/dev/null'); } catch (error) { console.log(error.code, error.reason); }\n`,
};

// What a consumer writes; `lib` has no esnext.disposable, which a plain project does not name.
const TYPED = `
import { DaxDevice, DaxError, open, openSync, type DeviceKind, type OpenOptions } from 'node-dax';
import { checkFilesystem, format, type MakeFilesystem } from 'node-dax/testkit';

export async function check(make: MakeFilesystem): Promise<string> {
  return format(await checkFilesystem(make, { seed: 1 }));
}

export async function use(path: string): Promise<number> {
  const options: OpenOptions = { requireGranularity: 'cache_line', size: 4096n };
  const device: DaxDevice = await open(path, options);
  const kind: DeviceKind = device.kind;
  const view: Uint8Array = device.view(0, 4096);
  const { bytes, window, pfn } = device.directAccess(0, 4096);
  const moved: number = await device.read(new Uint8Array(16), 0n, { signal: new AbortController().signal });
  await device.close();
  // @ts-expect-error A device is read by bytes, not by strings.
  device.readSync('text');
  // @ts-expect-error Made by open alone.
  new DaxDevice();
  // @ts-expect-error No such kind.
  if (kind === 'floppy') return 0;
  return view.length + bytes + window.length + (pfn ?? 0) + moved;
}

export function code(path: string): string | undefined {
  try {
    openSync(path).closeSync();
  } catch (error) {
    if (error instanceof DaxError) return error.code;
  }
  return undefined;
}
`;

const TSCONFIG = JSON.stringify({
  compilerOptions: {
    strict: true,
    exactOptionalPropertyTypes: true,
    // It takes several times as long.
    skipLibCheck: !ALL,
    noEmit: true,
    target: 'es2022',
    module: 'nodenext',
    types: ['node'],
  },
  files: ['typed.mts', 'typed.cts'],
});

t.setTimeout(3_600_000);
const folder = temporaryFolder(t, 'packaging');
const tarball = pack(folder);
const project = emptyProject(folder, { ...FILES, 'typed.mts': TYPED, 'typed.cts': TYPED, 'tsconfig.json': TSCONFIG });
const installed = join(project, 'node_modules', 'node-dax');
const path = barePath(folder);
const bare = { cwd: project, path };

t.test('what is in it', (t) => {
  const allowed = [
    /^(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|binding\.gypi|native\/binding\.gyp)$/,
    /^docs\/[\w/-]+\.(?:md|svg|png)$/,
    /^docs\/examples\/[\w-]+\.ts$/,
    /^native\/exports\.map$/,
    /^native\/(?:\w+\/)+\w+\.(?:cc|h)$/,
    /^(?:src|lib)\/[\w/-]+\.ts$/,
    /^dist\/(?:src|lib)\/[\w/-]+\.(?:d\.ts|js|js\.map)$/,
  ];
  const foreign = tarball.files.filter((file) => file !== PREBUILT && !allowed.some((pattern) => pattern.test(file)));
  t.strictSame(foreign, [], 'nothing else');

  const packed = new Set(tarball.files);
  const sources = ['src', 'lib'].flatMap((folder) => filesUnder(join(ROOT, folder)).map((file) => `${folder}/${file}`));
  const compiled = sources.flatMap((file) => ['.js', '.d.ts', '.js.map'].map((end) => `dist/${file.replace(/\.ts$/, end)}`));
  const native = filesUnder(join(ROOT, 'native')).map((file) => `native/${file}`);
  const wanted = [PREBUILT, 'LICENSE', 'binding.gypi', ...sources, ...compiled, ...native];
  t.strictSame(wanted.filter((file) => !packed.has(file)), [], 'all that is needed');

  const { main, types, bin, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    main: string;
    types: string;
    bin: Record<string, string>;
    exports: Record<string, string | Record<string, string>>;
  };
  const entries = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry)));
  for (const entry of [main, types, ...Object.values(bin), ...entries]) t.ok(packed.has(posix.normalize(entry)), entry);
  t.end();
});

t.test('a checkout on a machine that cannot compile', (t) => {
  const checkout = join(folder, 'checkout');
  cpSync(join(ROOT, 'scripts'), join(checkout, 'scripts'), { recursive: true });
  const { status, stderr } = run('node', [join(checkout, 'scripts', 'prepare.mjs')], bare);
  t.equal(status, 1);
  t.match(stderr, /lacks a C\+\+ compiler, make, Python 3; .*apt-get install g\+\+ make python3; .*--ignore-scripts/, 'is told what to install');
  t.equal(stderr.trim().split('\n').length, 1, 'before anything else is done');
  t.end();
});

t.test('the prebuilt addon', { skip: !ALL && SHORT }, (t) => {
  const file = join(folder, 'copy', PREBUILT);
  const tool = { cwd: folder };
  t.strictSame(filesUnder(join(folder, 'copy', 'prebuilds')), [posix.relative('prebuilds', PREBUILT)], 'alone');
  const exported = must('nm', ['-D', '--defined-only', '--format=posix', file], tool);
  t.strictSame(
    exported.trim().split('\n').map((line) => line.split(' ')[0]).sort(),
    ['napi_register_module_v1', 'node_api_module_get_api_version_v1'],
    'exports what Node looks up',
  );
  t.notMatch(must('readelf', ['-WS', file], tool), /\.symtab|\.debug_/, 'is stripped');
  const needed = [...must('readelf', ['-Wd', file], tool).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name);
  const foreign = needed.filter((name) => !/^(?:libc\.so\.6|libm\.so\.6|libpthread\.so\.0|ld-linux-.*|libc\.musl-.*|ld-musl-.*)$/.test(name ?? ''));
  t.strictSame(foreign, [], 'needs the C library alone');
  const versions = [...must('objdump', ['-T', file], tool).matchAll(/GLIBC_([\d.]+)/g)].map(([, version]) => version ?? '');
  const newest = versions.sort(new Intl.Collator('en', { numeric: true }).compare).at(-1);
  t.comment(isMusl() ? 'musl' : `needs glibc ${newest ?? ''}`);
  t.end();
});

const installation = npm(['install', '--no-audit', '--no-fund', '--prefer-offline', tarball.path], bare);

if (isOffline(installation)) {
  t.test('installation', (t) => { endOffline(t, installation); });
} else {
  t.test('installation without a compiler', (t) => {
    t.equal(installation.status, 0, 'npm install', { stderr: installation.stderr });
    const lock = JSON.parse(readFileSync(join(project, 'node_modules', '.package-lock.json'), 'utf8')) as {
      packages: Record<string, { hasInstallScript?: boolean }>;
    };
    const scripted = Object.keys(lock.packages).filter((name) => lock.packages[name]?.hasInstallScript === true);
    t.strictSame(scripted, [], 'no package has an install script');
    t.notOk(existsSync(join(installed, 'build')), 'nothing was built');
    for (const program of ['g++', 'c++', 'cc', 'make', 'python3']) {
      t.not(run('sh', ['-c', `command -v ${program}`], bare).status, 0, `there was no ${program}`);
    }
    t.end();
  });

  t.test('use from JavaScript', (t) => {
    for (const script of ['esm.mjs', 'cjs.cjs']) {
      const { status, stdout, stderr } = run('node', [script, join(folder, script)], bare);
      t.equal(status, 0, 'exit status', { stderr });
      t.equal(stdout, PRINTED, script);
    }
    t.equal(run('node', ['loaded.cjs'], bare).stdout, 'bindings file-uri-to-path node-dax\n', 'what the command needs is not loaded');
    const help = npx(['--no', '--', 'node-dax', '--help'], bare);
    t.equal(help.status, 0, 'npx node-dax --help', { stderr: help.stderr });
    t.match(help.stdout, /^Usage: node-dax /);
    t.end();
  });

  t.test('use from TypeScript', (t) => {
    symlinkSync(join(ROOT, 'node_modules', '@types'), join(project, 'node_modules', '@types'));
    const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const { status, stdout } = run(process.execPath, [compiler, '-p', project], { cwd: project });
    t.equal(status, 0, 'ES modules and CommonJS, strict, declarations checked');
    t.equal(stdout, '');
    t.end();
  });

  const place = { folder, project, tarball, bare };
  otherNodes(t, place);
  if (ALL) {
    fromGit(t, place);
    bundlers(t, place);
  }

  t.test('a platform with no prebuilt addon', { skip: !ALL && SHORT }, (t) => {
    rmSync(join(installed, 'prebuilds'), { recursive: true });
    const { stdout } = run('node', ['absent.cjs'], bare);
    t.equal(stdout, 'ENOENT ADDON_NOT_FOUND\n', 'says so');

    const gyp = join(ROOT, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
    const built = run(process.execPath, [gyp, 'rebuild', '--directory', 'native', '--loglevel=error'], { cwd: installed, env: headers() });
    t.equal(built.status, 0, 'node-gyp rebuild', { stderr: built.stderr });
    const release = join(installed, 'native', 'build', 'Release');
    t.ok(existsSync(join(release, 'node_dax.node')), 'can build its own');
    t.notOk(existsSync(join(release, 'persist_test')), 'and no test programs');
    t.equal(run('node', ['cjs.cjs', join(folder, 'rebuilt')], bare).stdout, PRINTED);
    t.end();
  });
}
