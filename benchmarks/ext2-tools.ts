// Compares `node-dax ext2` with e2fsprogs: each pair of commands in turn, by time, processor time, memory and disk.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Table from 'cli-table3';
import { Command } from 'commander';

const GIB = 2 ** 30;
const CLI = join(__dirname, '..', 'lib', 'cli', 'main.js');

/** What one command took. */
interface Taken {
  readonly seconds: number;
  /** Of the processor: hardly more on a busy machine than on an idle one. */
  readonly cpuSeconds: number;
  readonly rssMiB: number;
}

interface Row {
  readonly name: string;
  /** Makes what both begin with; before each run. */
  readonly prepare: () => void;
  readonly ours: readonly string[];
  readonly theirs: readonly [command: string, ...args: string[]];
}

function must(command: string, args: readonly string[]): void {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (error !== undefined || status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

class Comparison {
  readonly #folder: string;
  readonly image: string;
  readonly tree: string;
  readonly out: string;

  constructor(directory: string) {
    this.#folder = mkdtempSync(join(directory, 'node-dax-tools-'));
    [this.image, this.tree, this.out] = [join(this.#folder, 'image'), join(this.#folder, 'tree'), join(this.#folder, 'out')];
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Directories of 150 files of 1 to 9000 bytes, and one file of 100 MiB. */
  makeTree(directories: number): void {
    for (let d = 0; d < directories; d++) {
      mkdirSync(join(this.tree, `d${d}`), { recursive: true });
      for (let f = 0; f < 150; f++) writeFileSync(join(this.tree, `d${d}`, `f${f}`), Buffer.alloc(1 + (((d * 150 + f) * 7919) % 9000), 'x'));
    }
    writeFileSync(join(this.tree, 'big'), Buffer.alloc(100 * 2 ** 20, 'y'));
  }

  sparse(bytes: number): void {
    rmSync(this.image, { force: true });
    writeFileSync(this.image, '');
    truncateSync(this.image, bytes);
  }

  formatted(bytes: number, ...options: string[]): void {
    this.sparse(bytes);
    must('mke2fs', ['-q', '-F', '-t', 'ext2', ...options, this.image]);
  }

  emptyOut(): void {
    rmSync(this.out, { recursive: true, force: true });
    mkdirSync(this.out);
  }

  /** Runs a command under time(1). */
  take(command: string, args: readonly string[]): Taken {
    const figures = join(this.#folder, 'figures');
    must('/usr/bin/time', ['-o', figures, '-f', '%e %U %S %M', command, ...args]);
    const [seconds = NaN, user = NaN, system = NaN, kib = NaN] = readFileSync(figures, 'latin1').split(' ').map(Number);
    return { seconds, cpuSeconds: user + system, rssMiB: kib / 1024 };
  }

  diskMiB(): number {
    return (statSync(this.image).blocks * 512) / 2 ** 20;
  }
}

function rowsOf(at: Comparison, treeBytes: number): Row[] {
  const { image, tree, out } = at;
  const withTree = (): void => { at.formatted(treeBytes, '-b', '4096', '-d', tree); };
  return [
    { name: 'mkfs, sparse file of 16 GiB', prepare: () => { at.sparse(16 * GIB); }, ours: ['mkfs', image], theirs: ['mke2fs', '-q', '-F', '-t', 'ext2', image] },
    { name: 'mkfs, sparse file of 512 GiB', prepare: () => { at.sparse(512 * GIB); }, ours: ['mkfs', image], theirs: ['mke2fs', '-q', '-F', '-t', 'ext2', image] },
    { name: 'check, empty, 64 GiB', prepare: () => { at.formatted(64 * GIB); }, ours: ['check', image], theirs: ['e2fsck', '-fn', image] },
    { name: 'check, the tree', prepare: withTree, ours: ['check', image], theirs: ['e2fsck', '-fn', image] },
    {
      name: 'put -r : mke2fs -d, the tree',
      prepare: () => { at.formatted(treeBytes, '-b', '4096'); },
      ours: ['put', '-r', image, `${tree}/.`, '/'],
      theirs: ['mke2fs', '-q', '-F', '-t', 'ext2', '-b', '4096', '-d', tree, image],
    },
    {
      name: 'get -r : debugfs rdump, the tree',
      prepare: () => { withTree(); at.emptyOut(); },
      ours: ['get', '-r', image, '/.', out],
      theirs: ['debugfs', '-R', `rdump / ${out}`, image],
    },
  ];
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

function main({ directory, directories, pairs }: { directory: string; directories: number; pairs: number }): void {
  const at = new Comparison(directory);
  try {
    at.makeTree(directories);
    const table = new Table({ head: ['work', 'node-dax', 'e2fsprogs', 'ratio', 'of processor time', 'MiB of memory', 'MiB of disk'] });
    const start = median(Array.from({ length: pairs }, () => at.take(process.execPath, [CLI, 'ext2', '--help']).cpuSeconds));
    for (const { name, prepare, ours, theirs: [command, ...args] } of rowsOf(at, 2 * GIB)) {
      const taken = Array.from({ length: pairs }, () => {
        prepare();
        const own = { ...at.take(process.execPath, [CLI, 'ext2', ...ours]), disk: at.diskMiB() };
        prepare();
        return { own, their: { ...at.take(command, args), disk: at.diskMiB() } };
      });
      const of = (pick: (pair: (typeof taken)[number]) => number, digits: number) => median(taken.map(pick)).toFixed(digits);
      table.push([
        name,
        `${of(({ own }) => own.seconds, 2)} s`,
        `${of(({ their }) => their.seconds, 2)} s`,
        of(({ own, their }) => own.seconds / their.seconds, 1),
        `${of(({ own }) => own.cpuSeconds, 2)} s : ${of(({ their }) => their.cpuSeconds, 2)} s`,
        `${of(({ own }) => own.rssMiB, 0)} : ${of(({ their }) => their.rssMiB, 0)}`,
        `${of(({ own }) => own.disk, 0)} : ${of(({ their }) => their.disk, 0)}`,
      ]);
    }
    console.log(table.toString());
    console.log(`starting the command takes ${start.toFixed(2)} s of the processor, which is in every figure of node-dax`);
  } finally {
    at.dispose();
  }
}

main(
  new Command('ext2-tools')
    .description('Compare `node-dax ext2` with mke2fs, e2fsck and debugfs; needs e2fsprogs and time(1)')
    .option('--directory <directory>', 'where the images are made', '/dev/shm')
    .option('--directories <count>', 'directories of 150 files', Number, 200)
    .option('--pairs <count>', 'runs of each', Number, 3)
    .parse()
    .opts(),
);
