// Compares a mount that node-dax serves with fuse2fs of e2fsprogs and the kernel's ext2 on a loop device: the same work on a copy of
// the same image.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync, truncateSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { compare, type Comparison, type Result, type Wanted } from './result.js';

const MIB = 2 ** 20;
const CLI = join(__dirname, '..', 'lib', 'cli', 'main.js');
const LOOP_DELAY = join(__dirname, 'loop-delay.js');
const FILES = 2000;
const CLONED = 3000;
const FOUND = 100_000;
// Nanoseconds for which the event loop of the server may stand still.
const LONGEST_DELAY = 10e6;
const PROGRAMS = ['mke2fs', 'fuse2fs', 'fio', 'git'];

const SIDES = ['node-dax', 'fuse2fs', 'kernel'] as const;
type Side = (typeof SIDES)[number];

interface Work {
  readonly name: string;
  /** What the image has at first: nothing, or many empty files. */
  readonly content: 'empty' | 'many';
  /** Before the work, not timed. */
  readonly prepare?: (root: string) => void;
  /** Nanoseconds of the work in the mounted directory `root`. */
  readonly run: (root: string, folder: string) => number;
  /** Of node-dax beside fuse2fs. */
  readonly wanted: Wanted;
}

function must(command: string, args: readonly string[]): string {
  const { status, error, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
  return stdout;
}

function timed(work: () => void): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start);
}

const dd = (...args: string[]): void => { must('dd', ['bs=1M', 'status=none', ...args]); };

function makeFiles(root: string): void {
  const content = Buffer.alloc(4096, 'x');
  for (let n = 0; n < FILES; n++) {
    const fd = openSync(join(root, `file-${n}`), 'w');
    writeSync(fd, content);
    closeSync(fd);
  }
}

function randomReads(path: string): number {
  const job = ['--name=read', `--filename=${path}`, '--rw=randread', '--bs=4k', '--direct=1', '--ioengine=psync', '--size=64M', '--io_size=48M', '--randseed=7'];
  const { jobs } = JSON.parse(must('fio', [...job, '--output-format=json'])) as { jobs: { read: { iops: number } }[] };
  return 1e9 / (jobs[0]?.read.iops ?? NaN);
}

// A repository beside the images, with files in 60 directories.
function repository(folder: string): string {
  const path = join(folder, 'repository');
  if (existsSync(path)) return path;
  must('git', ['init', '-q', '-b', 'main', path]);
  for (let n = 0; n < CLONED; n++) {
    const directory = join(path, `d${n % 60}`);
    if (n < 60) mkdirSync(directory);
    writeFileSync(join(directory, `f${n}`), `${n}\n`.repeat(1 + (n % 400)));
  }
  must('git', ['-C', path, 'add', '.']);
  must('git', ['-C', path, '-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-qm', 'all']);
  return path;
}

const large = (root: string): string => join(root, 'large');

function makeLarge(bytes: number) {
  return (root: string): void => {
    dd('if=/dev/zero', `of=${large(root)}`, `count=${bytes / MIB}`, 'conv=fsync');
    // Nothing of it stays in the page cache.
    dd(`of=${large(root)}`, 'count=0', 'conv=notrunc,fdatasync', 'oflag=nocache');
  };
}

const WORKS: readonly Work[] = [
  { name: 'write 256 MiB by 1 MiB, fsync', content: 'empty', run: (root) => timed(() => { dd('if=/dev/zero', `of=${large(root)}`, 'count=256', 'conv=fsync'); }), wanted: { speed: 1.5 } },
  { name: 'read 256 MiB by 1 MiB', content: 'empty', prepare: makeLarge(256 * MIB), run: (root) => timed(() => { dd(`if=${large(root)}`, 'of=/dev/null'); }), wanted: { speed: 1.5 } },
  { name: 'random reads of 4 KiB, O_DIRECT', content: 'empty', prepare: makeLarge(64 * MIB), run: (root) => randomReads(large(root)), wanted: { speed: 1.5 } },
  { name: 'create, write 4 KiB, close', content: 'empty', run: (root) => timed(() => { makeFiles(root); }) / FILES, wanted: { speed: 2 } },
  {
    name: 'unlink',
    content: 'empty',
    prepare: makeFiles,
    run: (root) => timed(() => { for (let n = 0; n < FILES; n++) unlinkSync(join(root, `file-${n}`)); }) / FILES,
    wanted: { speed: 2 },
  },
  {
    name: `git clone of ${CLONED} files`,
    content: 'empty',
    run: (root, folder) => timed(() => { must('git', ['clone', '-q', '--no-hardlinks', repository(folder), join(root, 'clone')]); }),
    wanted: { time: 1 },
  },
  { name: `find over ${FOUND} files`, content: 'many', run: (root) => timed(() => { must('find', [root, '-type', 'f', '-size', '+1']); }), wanted: { time: 0.5 } },
];

// In a row of its own each: what it keeps the event loop of the server for.
const LOADS = WORKS.filter(({ name }) => /^write 256|^create|^git clone/.test(name));

function missing(): string | undefined {
  if (process.geteuid?.() !== 0) return 'mounting takes root';
  if (!existsSync('/dev/fuse')) return 'no /dev/fuse';
  if (!/\bext2$/m.test(readFileSync('/proc/filesystems', 'latin1'))) return 'this kernel has no ext2 mounted or built in';
  const absent = PROGRAMS.find((name) => spawnSync(name, ['--version']).error !== undefined);
  return absent && `no ${absent} (packages e2fsprogs, fuse2fs, fio, git)`;
}

async function delayOf(server: ChildProcess | undefined): Promise<number> {
  if (server === undefined) throw new Error('no process serves it');
  const answer = once(server, 'message') as Promise<[number]>;
  server.send('delay');
  return (await answer)[0];
}

const isMounted = (root: string): boolean => readFileSync('/proc/self/mountinfo', 'latin1').includes(` ${root} `);

class Mounts {
  readonly #folder: string;
  readonly #pairs: number;
  readonly #figures = new Map<Work, Record<Side, readonly number[]>>();

  constructor(folder: string, pairs: number) {
    [this.#folder, this.#pairs] = [folder, pairs];
  }

  async run(target: string, work: Work, base: Side, wanted: Wanted | undefined): Promise<Result> {
    const why = missing();
    if (why !== undefined) return { target, wanted: wanted ?? null, verdict: 'skipped', why };
    const figures = await this.#figuresOf(work);
    return compare(target, wanted, figures['node-dax'], figures[base]);
  }

  /** The longest time, in each of the rounds, for which the event loop of node-dax's process stands still during `work`. */
  async delay(target: string, work: Work): Promise<Result> {
    const wanted = { ns: LONGEST_DELAY };
    const why = missing();
    if (why !== undefined) return { target, wanted, verdict: 'skipped', why };
    const delays: number[] = [];
    for (let pair = 0; pair < this.#pairs; pair++) {
      await this.#mounted('node-dax', work.content, async (root, server) => {
        work.prepare?.(root);
        await delayOf(server);
        work.run(root, this.#folder);
        delays.push(await delayOf(server));
      });
    }
    return compare(target, wanted, delays);
  }

  async #figuresOf(work: Work): Promise<Record<Side, readonly number[]>> {
    let figures = this.#figures.get(work);
    if (figures === undefined) {
      const taken = { 'node-dax': [] as number[], 'fuse2fs': [] as number[], 'kernel': [] as number[] };
      for (let pair = 0; pair < this.#pairs; pair++) for (const side of SIDES) taken[side].push(await this.#take(side, work));
      this.#figures.set(work, (figures = taken));
    }
    return figures;
  }

  #take(side: Side, { content, prepare, run }: Work): Promise<number> {
    return this.#mounted(side, content, (root) => {
      prepare?.(root);
      return run(root, this.#folder);
    });
  }

  async #mounted<T>(side: Side, content: Work['content'], use: (root: string, server: ChildProcess | undefined) => T | Promise<T>): Promise<T> {
    const [image, root] = [join(this.#folder, 'mounted-image'), join(this.#folder, 'mounted')];
    copyFileSync(this.#image(content), image);
    mkdirSync(root);
    const server = await this.#mount(side, image, root);
    try {
      return await use(root, server);
    } finally {
      const ended = server && once(server, 'close');
      must('umount', ['-i', root]);
      await ended;
      rmSync(root, { recursive: true });
      rmSync(image);
    }
  }

  async #mount(side: Side, image: string, root: string): Promise<ChildProcess | undefined> {
    if (side === 'kernel') {
      must('mount', ['-o', 'loop', '-t', 'ext2', image, root]);
      return undefined;
    }
    const command = side === 'fuse2fs' ? ['fuse2fs', '-f', image, root] : [process.execPath, '--require', LOOP_DELAY, CLI, 'mount', image, root];
    const server = spawn(command[0] as string, command.slice(1), { stdio: ['ignore', 'ignore', 'inherit', ...(side === 'node-dax' ? ['ipc' as const] : [])] });
    while (!isMounted(root)) {
      if (server.exitCode !== null) throw new Error(`${command.join(' ')} ended with ${server.exitCode}`);
      await sleep(10);
    }
    // Answers only once it serves.
    statSync(root);
    return server;
  }

  #image(content: Work['content']): string {
    const path = join(this.#folder, `mounted-${content}`);
    if (existsSync(path)) return path;
    writeFileSync(path, '');
    truncateSync(path, 512 * MIB);
    const tree = join(this.#folder, 'mounted-tree');
    mkdirSync(tree);
    if (content === 'many') {
      for (let n = 0; n < FOUND; n++) {
        if (n < 100) mkdirSync(join(tree, `d${n}`));
        writeFileSync(join(tree, `d${n % 100}`, `file-${n}`), '');
      }
    }
    must('mke2fs', ['-q', '-F', '-t', 'ext2', '-b', '4096', '-i', '4096', '-d', tree, path]);
    rmSync(tree, { recursive: true });
    return path;
  }
}

/** What programs take on a mount, each `pairs` times on each side in turn; images are made in `folder`. */
export function besideFuse2fs(folder: string, pairs: number): readonly Comparison[] {
  const mounts = new Mounts(folder, pairs);
  const beside = (work: Work, base: Side, wanted?: Wanted): Comparison => {
    const name = `mount, ${work.name} : ${base === 'kernel' ? 'kernel ext2, loop' : base}`;
    return { name, run: () => mounts.run(name, work, base, wanted) };
  };
  const delay = (work: Work): Comparison => {
    const name = `mount, longest delay of the event loop: ${work.name}`;
    return { name, run: () => mounts.delay(name, work) };
  };
  return [...WORKS.flatMap((work) => [beside(work, 'fuse2fs', work.wanted), beside(work, 'kernel')]), ...LOADS.map(delay)];
}
