// Compares `node-dax ext2` with e2fsprogs, command by command: time, memory, and disk taken by the image.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from '../src/index.js';
import { mkfsSync, mount } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { compare, type Comparison, type Result, type Wanted } from './result.js';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const MB = 1e6;
// The largest that ext2 can be, and a file of ext4: 2^32 - 1 blocks.
const LARGEST = 16 * 1024 * GIB - 4096;
const CLI = join(__dirname, '..', 'lib', 'cli', 'main.js');
const PEERS = ['mke2fs', 'e2fsck', 'debugfs', '/usr/bin/time'];
const FILES_IN_A_DIRECTORY = 150;

type Command = readonly [command: string, ...args: string[]];

interface Taken {
  readonly time: number;
  readonly memory: number;
  readonly disk: number;
}

/** A command on `image`, and what it begins with. */
interface Work {
  readonly image: string;
  /** Before each run. */
  readonly prepare?: () => void;
  readonly command: Command;
  /** What the same command does with next to nothing: its time is not counted. */
  readonly start?: Command;
}

interface Target {
  readonly name: string;
  /** Makes what both sides read, once. */
  readonly make?: () => void | Promise<void>;
  readonly figure: keyof Taken;
  readonly ours: Work;
  readonly base?: Work;
  readonly wanted: Wanted;
}

function must([command, ...args]: Command): void {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  if (error !== undefined || status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

function missing(): string | undefined {
  const absent = PEERS.find((name) => spawnSync(name, ['-V']).error !== undefined);
  return absent === undefined ? undefined : `no ${absent} (packages e2fsprogs and time)`;
}

/** Runs a command under time(1), and looks at the disk that the image has then. */
function take({ image, prepare, command, start }: Work, folder: string): Taken {
  const elapsed = (timed: Command): number => {
    const begin = process.hrtime.bigint();
    must(timed);
    return Number(process.hrtime.bigint() - begin);
  };
  const begun = start === undefined ? 0 : elapsed(start);
  prepare?.();
  const figures = join(folder, 'memory');
  const time = elapsed(['/usr/bin/time', '-o', figures, '-f', '%M', ...command]) - begun;
  return { time, memory: Number(readFileSync(figures, 'latin1')) * 1024, disk: existsSync(image) ? statSync(image).blocks * 512 : 0 };
}

/** The images and trees that the commands work on, each made when it is first wanted. */
class Material {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  at(name: string): string {
    return join(this.#folder, name);
  }

  /** A new sparse file. */
  sparse(name: string, bytes: number): void {
    const path = this.at(name);
    rmSync(path, { force: true });
    writeFileSync(path, '');
    truncateSync(path, bytes);
  }

  formatted(name: string, bytes: number, ...options: string[]): void {
    this.sparse(name, bytes);
    must(['mke2fs', '-q', '-F', '-t', 'ext2', ...options, this.at(name)]);
  }

  emptyFolder(name: string): void {
    rmSync(this.at(name), { recursive: true, force: true });
    mkdirSync(this.at(name));
  }

  /** Directories of 150 files of 1 to 9000 bytes, and one file of 400 MiB. */
  tree(directories: number): void {
    const root = this.at('tree');
    if (existsSync(root)) return;
    for (let d = 0; d < directories; d++) {
      mkdirSync(join(root, `d${d}`), { recursive: true });
      for (let f = 0; f < FILES_IN_A_DIRECTORY; f++) {
        writeFileSync(join(root, `d${d}`, `f${f}`), Buffer.alloc(1 + (((d * FILES_IN_A_DIRECTORY + f) * 7919) % 9000), 'x'));
      }
    }
    writeFileSync(join(root, 'big'), Buffer.alloc(400 * MIB, 'y'));
  }

  /** An image with `directories` of `names` empty files each. */
  async files(name: string, directories: number, names: number): Promise<void> {
    if (existsSync(this.at(name))) return;
    const device = await open(this.at(name), { size: Math.max(64 * MIB, directories * names * 3 * 1024) });
    mkfsSync(device, { blockSize: 4096, bytesPerInode: 2048 });
    const mounted = mount(device);
    const fs = createFs(mounted);
    for (let d = 0; d < directories; d++) {
      fs.mkdirSync(`/d${d}`);
      for (let f = 0; f < names; f++) fs.closeSync(fs.openSync(`/d${d}/file-${f}`, 'wx'));
    }
    mounted.unmount();
    device.closeSync();
  }
}

function cli(...args: string[]): Command {
  return [process.execPath, CLI, ...args];
}

function targets(material: Material): readonly Target[] {
  const [image, out, tree] = [material.at('image'), material.at('out'), material.at('tree')];
  const makeTree = (): void => { material.tree(200); };
  const works = (prepare: () => void, command: Command): Work => ({ image, prepare, command });

  const mkfs = (size: string, bytes: number, figure: keyof Taken, wanted: Wanted): Target => {
    const prepare = (): void => { material.sparse('image', bytes); };
    return {
      name: `mkfs of a sparse file of ${size}${figure === 'disk' ? ', disk taken' : ''} : mke2fs`,
      figure,
      ours: works(prepare, cli('ext2', 'mkfs', image)),
      base: works(prepare, ['mke2fs', '-q', '-F', '-t', 'ext2', image]),
      wanted,
    };
  };
  const check = (name: string): Command => cli('ext2', 'check', material.at(name));
  const e2fsck = (name: string): Command => ['e2fsck', '-fn', material.at(name)];
  const checkOfFiles = (directories: number, names: number, wanted: Wanted): Target => {
    const name = `files-${directories * names}`;
    const make = async (): Promise<void> => {
      material.formatted('empty', MIB);
      await material.files(name, directories, names);
    };
    return {
      name: `check of ${directories * names} files, beyond an empty image : e2fsck`,
      make,
      figure: 'time',
      ours: { image, command: check(name), start: check('empty') },
      base: { image, command: e2fsck(name), start: e2fsck('empty') },
      wanted,
    };
  };
  const large = { make: () => { material.formatted('large', 64 * GIB); }, ours: { image, command: check('large') } };
  const largest = { make: () => { material.formatted('largest', LARGEST, '-b', '4096'); }, ours: { image, command: check('largest') } };
  const listing = (command: Command, figure: 'time' | 'memory', wanted: Wanted): Target => ({
    name: `ext2 ${command.slice(0, -2).join(' ')} of 250 000 ${command.at(-1) === '/d0' ? 'names' : 'files'}${figure === 'memory' ? ', memory' : ''}`,
    make: () => command.at(-1) === '/d0' ? material.files('names', 1, 250_000) : material.files('files', 250, 1000),
    figure,
    ours: { image, command: cli('ext2', ...command) },
    wanted,
  });
  const list: Command = ['ls', '-l', material.at('names'), '/d0'];
  const draw: Command = ['tree', material.at('files'), '/'];

  return [
    { name: 'start, node-dax --version : node', figure: 'time', ours: { image, command: cli('--version') }, base: { image, command: [process.execPath, '-e', '0'] }, wanted: { time: 2 } },
    {
      name: 'put -r of 30 000 files and 400 MiB : mke2fs -d',
      make: makeTree,
      figure: 'time',
      ours: works(() => { material.formatted('image', 2 * GIB, '-b', '4096'); }, cli('ext2', 'put', '-r', image, `${tree}/.`, '/')),
      base: works(() => { material.sparse('image', 2 * GIB); }, ['mke2fs', '-q', '-F', '-t', 'ext2', '-b', '4096', '-d', tree, image]),
      wanted: { time: 1 },
    },
    {
      name: 'get -r of 30 000 files and 400 MiB : debugfs rdump',
      make() {
        makeTree();
        material.formatted('image', 2 * GIB, '-b', '4096', '-d', tree);
      },
      figure: 'time',
      ours: works(() => { material.emptyFolder('out'); }, cli('ext2', 'get', '-r', image, '/.', out)),
      base: works(() => { material.emptyFolder('out'); }, ['debugfs', '-R', `rdump / ${out}`, image]),
      wanted: { time: 1 },
    },
    checkOfFiles(100, 100, { time: 3 }),
    checkOfFiles(200, 150, { time: 3 }),
    checkOfFiles(100, 1000, { time: 3 }),
    checkOfFiles(1000, 1000, { time: 2 }),
    { ...large, name: 'check of an empty 64 GiB : e2fsck', figure: 'time', base: { image, command: e2fsck('large') }, wanted: { time: 2 } },
    { ...large, name: 'check of an empty 64 GiB, memory', figure: 'memory', wanted: { bytes: 200 * MB } },
    { ...largest, name: 'check of an empty 16 TiB : e2fsck', figure: 'time', base: { image, command: e2fsck('largest') }, wanted: { time: 2 } },
    { ...largest, name: 'check of an empty 16 TiB, memory', figure: 'memory', wanted: { bytes: 200 * MB } },
    mkfs('1 GiB', GIB, 'time', { time: 3 }),
    mkfs('64 GiB', 64 * GIB, 'time', { time: 3 }),
    mkfs('512 GiB', 512 * GIB, 'time', { time: 3 }),
    mkfs('4 TiB', 4096 * GIB, 'time', { time: 3 }),
    mkfs('16 TiB', LARGEST, 'time', { time: 3 }),
    mkfs('16 GiB', 16 * GIB, 'disk', { time: 1.5 }),
    listing(list, 'time', { ns: 1.5e9 }),
    listing(list, 'memory', { bytes: 200 * MB }),
    listing(draw, 'time', { ns: 2e9 }),
    listing(draw, 'memory', { bytes: 200 * MB }),
  ];
}

async function measure(target: string, { make, figure, ours, base, wanted }: Target, folder: string, pairs: number): Promise<Result> {
  const why = missing();
  if (why !== undefined) return { target, wanted, verdict: 'skipped', why };
  await make?.();
  const taken = Array.from({ length: pairs }, () => ({ own: take(ours, folder)[figure], their: base && take(base, folder)[figure] }));
  const theirs = base && taken.map(({ their = NaN }) => their);
  return { ...compare(target, wanted, taken.map(({ own }) => own), theirs), unit: figure === 'time' ? 'ns' : 'bytes' };
}

/** What the commands of `ext2` take, each `pairs` times in turn with e2fsprogs; images are made in `folder`. */
export function besideE2fsprogs(folder: string, pairs: number): readonly Comparison[] {
  return targets(new Material(folder)).map((target) => {
    const name = `tools, ${target.name}`;
    return { name, run: () => measure(name, target, folder, pairs) };
  });
}
