// Owns images in files, and processes and workers that mount them.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Test } from 'tap';
import { openSync } from 'node-dax';
import { mkfsSync } from 'node-dax/ext2';
import { scratchPath } from './devices.js';
import type { MountTask } from './mount-main.js';

const PROGRAM = join(__dirname, 'mount-main.js');

/** Bytes of an image. */
export const IMAGE_SIZE = 8 * 1024 * 1024;

/** A file with an ext2 filesystem. */
export function imageFile(test: Test): string {
  const path = scratchPath(test, '/dev/shm');
  const device = openSync(path, { size: IMAGE_SIZE });
  mkfsSync(device);
  device.closeSync();
  return path;
}

/** Runs it as a process. Resolves with its exit status at its end. */
export async function inProcess(task: MountTask): Promise<number | null> {
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(task)], { stdio: 'ignore' });
  const [status] = (await once(child, 'exit')) as [number | null];
  return status;
}

/** Runs it as a worker of a process that exits once it is mounted. Resolves with its exit status. */
export async function inWorkerOfProcess(task: MountTask): Promise<number | null> {
  const options = JSON.stringify({ workerData: task });
  const program = `new (require('node:worker_threads').Worker)(${JSON.stringify(PROGRAM)}, ${options}).on('message', () => process.exit(0))`;
  const [status] = (await once(spawn(process.execPath, ['-e', program], { stdio: 'ignore' }), 'exit')) as [number | null];
  return status;
}

/** Starts a process that has it mounted, and is ended with the test. */
export async function mountingProcess(test: Test, task: Omit<MountTask, 'end'>): Promise<ChildProcess> {
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify({ ...task, end: 'wait' })], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  test.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await Promise.race([once(child.stdout, 'data'), ended]);
  return child;
}

/** Runs it as a worker. Resolves at its end. */
export async function inWorker(task: MountTask): Promise<void> {
  const worker = new Worker(PROGRAM, { workerData: task, execArgv: [] });
  const failed = new Promise<void>((resolve) => worker.once('error', () => { resolve(); }));
  await Promise.race([failed, once(worker, 'exit')]);
  await worker.terminate();
}

/** Starts a worker that has it mounted. */
export async function mountingWorker(test: Test, task: Omit<MountTask, 'end'>): Promise<Worker> {
  const worker = new Worker(PROGRAM, { workerData: { ...task, end: 'wait' }, execArgv: [] });
  test.teardown(() => worker.terminate());
  await once(worker, 'message');
  return worker;
}
