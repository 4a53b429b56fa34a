// Drivers of the facade and of node:fs: the same calls on an ext2 that is newly made in the trial's file, and in a folder beside
// that file.

import nodeFs from 'node:fs';
import { createFs } from 'node-dax/fs';
import { createProvider } from 'node-dax/vfs';
import { filledBuffer, type Driver, type Job, type Operation } from '../driver.js';
import { CACHE_LINE, mounted } from './ext2.js';

type Fs = typeof nodeFs;
type Work = (fs: Fs, folder: string, job: Job) => Operation;

/** A work on either side. */
export function onBothSides(done: string, work: Work): { ours: Driver; node: Driver } {
  return {
    ours: { done, leavesGarbage: true, environment: CACHE_LINE, open: (job) => work(createFs(mounted(job.path)), '', job) },
    node: { done, leavesGarbage: true, open: (job) => work(nodeFs, nodeFs.mkdtempSync(`${job.path}-fs-`), job) },
  };
}

function withFile(fs: Fs, folder: string, bytes: number): string {
  const path = `${folder}/file`;
  fs.writeFileSync(path, filledBuffer(bytes));
  return path;
}

export const readFileSync = onBothSides('the content of the file is in a new buffer', (fs, folder, { blockSize }) => {
  const path = withFile(fs, folder, blockSize);
  return { run: () => fs.readFileSync(path) };
});

interface Virtual extends Fs {
  mount(): string;
}

const nodeVfs = (process as { getBuiltinModule?: (name: string) => unknown }).getBuiltinModule?.('node:vfs') as { create(provider: object): Virtual } | undefined;

/** By the process's own node:fs, which reaches the file through node:vfs. */
export const vfsReadFileSync: Driver = {
  done: 'the content of the file is in a new buffer',
  leavesGarbage: true,
  environment: CACHE_LINE,
  missing: () => nodeVfs === undefined ? 'no node:vfs: start the benchmark with Node 26.4 or later and --experimental-vfs' : undefined,
  open({ path, blockSize }) {
    const provider = createProvider(mounted(path));
    withFile(provider.fs, '', blockSize);
    const at = `${nodeVfs?.create(provider).mount() ?? ''}/file`;
    return { run: () => nodeFs.readFileSync(at) };
  },
};

export const readFile = onBothSides('the promise is fulfilled with the content of the file in a new buffer', (fs, folder, { blockSize }) => {
  const path = withFile(fs, folder, blockSize);
  return { run: () => fs.promises.readFile(path), awaited: true };
});

export const writeFileSync = onBothSides('the file was emptied, has its bytes, and is closed', (fs, folder, { blockSize }) => {
  const path = withFile(fs, folder, blockSize);
  const content = filledBuffer(blockSize);
  return { run: () => { fs.writeFileSync(path, content); } };
});

export const statSync = onBothSides('what is told of the file is known', (fs, folder, { blockSize }) => {
  const path = withFile(fs, folder, blockSize);
  return { run: () => fs.statSync(path) };
});

export function readdirSync(names: number) {
  return onBothSides('the names are there, sorted', (fs, folder) => {
    fs.mkdirSync(`${folder}/names`);
    for (let n = 0; n < names; n++) fs.writeFileSync(`${folder}/names/name-${n}`, '');
    return { run: () => fs.readdirSync(`${folder}/names`) };
  });
}

export const createReadStream = onBothSides('the stream has ended, and each chunk was taken', (fs, folder, { span }) => {
  const path = withFile(fs, folder, span);
  const run = async (): Promise<number> => {
    let bytes = 0;
    for await (const chunk of fs.createReadStream(path)) bytes += (chunk as Buffer).length;
    return bytes;
  };
  return { run, awaited: true };
});
