// One trial at scale, in a process of its own: files by the hundred thousand, made, looked up and held open on one side.

import { spawnSync } from 'node:child_process';
import type * as nodeFs from 'node:fs';
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from '../src/index.js';
import { mkfsSync, mount } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';

export type ScaleSide = 'node-dax' | 'kernel' | 'tmpfs';

/** What `run.ts` asks of this process, as JSON in its only argument. */
export interface ScaleRequest {
  readonly side: ScaleSide;
  /** Where the image is made. */
  readonly folder: string;
  readonly files: number;
}

/** Nanoseconds an operation, but for the memory. */
export interface ScaleFigures {
  /** Of the first files that the process makes. */
  readonly first: number;
  readonly create: number;
  /** Of the first and of the last tenth of the files. */
  readonly createFirst: number;
  readonly createLast: number;
  /** A file by its path, in no order, after a mount. */
  readonly stat: number;
  /** The same file's, with 10 files open and with a tenth of all. */
  readonly statFewOpen: number;
  readonly statManyOpen: number;
  /** A chain of directories with a file in each: all of it listed, and removed. */
  readonly listDeep: number;
  readonly removeDeep: number;
  /** Bytes that the process has more of its own after all those look-ups than after the mount. */
  readonly memory: number;
}

const DIRECTORIES = 1000;
const TENTHS = 10;
const STATS = 10_000;
const PASSES = 9;
const FIRST = 10_000;
const DEEP = 600;
// A prime larger than any number of files: a step by it meets each file.
const STEP = 15_485_863;
const OWNER = { uid: 0, gid: 0 };

type Calls = Pick<typeof nodeFs, 'mkdirSync' | 'openSync' | 'closeSync' | 'statSync' | 'readdirSync' | 'rmSync'>;

const HOST: Calls = { mkdirSync, openSync, closeSync, statSync, readdirSync, rmSync };

/** The calls of one side, on paths from `root`. `remount` begins with nothing in memory. */
interface Side {
  readonly fs: Calls;
  readonly root: string;
  remount(): void;
  end(): void;
}

function imageBytes(files: number): number {
  return Math.max(64 * 2 ** 20, (FIRST + files) * 3 * 1024);
}

/** Why a side cannot be had here. */
export function missing(side: ScaleSide): string | undefined {
  if (side !== 'kernel') return undefined;
  if (process.geteuid?.() !== 0) return 'mounting takes root';
  if (!/\bext2$/m.test(readFileSync('/proc/filesystems', 'latin1'))) return 'this kernel has no ext2 mounted or built in';
  return spawnSync('mke2fs', ['-V']).error === undefined ? undefined : 'no mke2fs (e2fsprogs)';
}

function must(command: string, args: string[]): void {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

function kernel(folder: string, files: number): Side {
  const own = mkdtempSync(join(folder, 'kernel-'));
  const [image, root] = [join(own, 'image'), join(own, 'mounted')];
  writeFileSync(image, '');
  truncateSync(image, imageBytes(files));
  mkdirSync(root);
  must('mke2fs', ['-q', '-F', '-t', 'ext2', '-b', '4096', '-i', '2048', image]);
  const mountIt = () => { must('mount', ['-o', 'loop', '-t', 'ext2', image, root]); };
  mountIt();
  return {
    fs: HOST,
    root,
    remount() {
      must('umount', [root]);
      mountIt();
    },
    end() {
      must('umount', [root]);
      rmSync(own, { recursive: true });
    },
  };
}

function tmpfs(folder: string): Side {
  const root = mkdtempSync(join(folder, 'tmpfs-'));
  return { fs: HOST, root, remount() { /* stays mounted */ }, end() { rmSync(root, { recursive: true }); } };
}

async function nodeDax(folder: string, files: number): Promise<Side> {
  // As all drivers of ext2: what is stored leaves the CPU caches. tmpfs by itself asks for an msync, which makes nothing durable.
  process.env['NODE_DAX_FORCE_GRANULARITY'] ??= 'cache_line';
  const own = mkdtempSync(join(folder, 'node-dax-'));
  const device = await open(join(own, 'image'), { size: imageBytes(files) });
  mkfsSync(device, { blockSize: 4096, bytesPerInode: 2048 });
  let mounted = mount(device, { owner: OWNER });
  const side: Side & { fs: Calls } = {
    fs: createFs(mounted),
    root: '',
    remount() {
      mounted.unmount();
      mounted = mount(device, { owner: OWNER });
      side.fs = createFs(mounted);
    },
    end() {
      mounted.unmount();
      device.closeSync();
      rmSync(own, { recursive: true });
    },
  };
  return side;
}

function nanosecondsEach(count: number, work: (n: number) => void): number {
  const start = process.hrtime.bigint();
  for (let n = 0; n < count; n++) work(n);
  return Number(process.hrtime.bigint() - start) / count;
}

// A pass takes 25 ms: one alone shows what else the machine did then.
function medianOfPasses(pass: () => number): number {
  const passes = Array.from({ length: PASSES }, pass).sort((a, b) => a - b);
  return passes[(PASSES - 1) / 2] ?? NaN;
}

function ownMemory(): number {
  return Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]) * 1024;
}

async function measure({ side: name, folder, files }: ScaleRequest): Promise<ScaleFigures> {
  const side = await { 'kernel': kernel, 'node-dax': nodeDax, tmpfs }[name](folder, files);
  try {
    side.fs.mkdirSync(`${side.root}/first`);
    const first = nanosecondsEach(FIRST, (n) => { side.fs.closeSync(side.fs.openSync(`${side.root}/first/file-${n}`, 'wx')); });
    const directories = Array.from({ length: DIRECTORIES }, (_, n) => `${side.root}/directory-${n}`);
    const pathOf = (n: number) => `${directories[n % DIRECTORIES] ?? ''}/file-${n}`;
    for (const directory of directories) side.fs.mkdirSync(directory);
    const tenths: number[] = [];
    for (let tenth = 0; tenth < TENTHS; tenth++) {
      const first = (tenth * files) / TENTHS;
      tenths.push(nanosecondsEach(files / TENTHS, (n) => { side.fs.closeSync(side.fs.openSync(pathOf(first + n), 'wx')); }));
    }
    side.remount();
    const before = ownMemory();
    const stat = nanosecondsEach(files, (n) => side.fs.statSync(pathOf((n * STEP) % files)));
    const memory = ownMemory() - before;
    const openFiles = Array.from({ length: 10 }, (_, n) => side.fs.openSync(pathOf(n), 'r'));
    const statSome = () => medianOfPasses(() => nanosecondsEach(STATS, (n) => side.fs.statSync(pathOf(n % DIRECTORIES))));
    const statFewOpen = statSome();
    // The process may have no more of the system's.
    const most = name === 'node-dax' ? files / TENTHS : 10;
    for (let n = openFiles.length; n < most; n++) openFiles.push(side.fs.openSync(pathOf(n), 'r'));
    const statManyOpen = statSome();
    for (const fd of openFiles) side.fs.closeSync(fd);
    let deepest = `${side.root}/deep`;
    for (let depth = 0; depth < DEEP; depth++, deepest += '/d') {
      side.fs.mkdirSync(deepest);
      side.fs.closeSync(side.fs.openSync(`${deepest}/file`, 'wx'));
    }
    const listDeep = nanosecondsEach(1, () => side.fs.readdirSync(`${side.root}/deep`, { recursive: true }));
    const removeDeep = nanosecondsEach(1, () => { side.fs.rmSync(`${side.root}/deep`, { recursive: true }); });
    const create = tenths.reduce((sum, each) => sum + each, 0) / TENTHS;
    const [createFirst = NaN, createLast = NaN] = [tenths[0], tenths.at(-1)];
    return { first, create, createFirst, createLast, stat, statFewOpen, statManyOpen, listDeep, removeDeep, memory };
  } finally {
    side.end();
  }
}

if (require.main === module) {
  void measure(JSON.parse(process.argv[2] ?? '') as ScaleRequest).then((figures) => {
    console.log(JSON.stringify(figures));
  });
}
