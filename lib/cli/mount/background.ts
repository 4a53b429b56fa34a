// Owns a mount that outlives its command: another process serves it, and tells the first one whether it has mounted.

import { fork } from 'node:child_process';

/** The message of the process in the background. */
interface Told {
  readonly mounted?: number;
  readonly error?: string;
}

const MARK = 'NODE_DAX_MOUNT_IN_BACKGROUND';

/** Whether this process is the one in the background. */
export const isBackground = (): boolean => process.env[MARK] === '1' && process.send !== undefined;

/** In the background: sends `told` to the process that waits for it, which then ends. */
export async function tell(told: Told): Promise<void> {
  await new Promise((resolve) => process.send?.(told, resolve));
  process.disconnect();
}

/** Starts the same command in the background. Resolves to its process id once it has mounted; rejects with its error. */
export function startInBackground(): Promise<number> {
  const [, program = '', ...args] = process.argv;
  const child = fork(program, args, { detached: true, stdio: ['ignore', 'ignore', 'ignore', 'ipc'], env: { ...process.env, [MARK]: '1' } });
  return new Promise((resolve, reject) => {
    child.on('message', ({ mounted, error }: Told) => {
      if (mounted === undefined) reject(new Error(error));
      else resolve(mounted);
      child.unref();
    });
    child.on('error', reject).on('exit', (status, signal) => {
      reject(new Error(`what was to serve it ended with ${signal ?? `exit status ${status ?? 'unknown'}`}`));
    });
  });
}
