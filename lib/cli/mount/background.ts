// Owns a mount that goes on when the command is over: another process serves it, and tells the first one how it began.

import { fork } from 'node:child_process';

/** What the process in the background tells. */
interface Told {
  readonly mounted?: number;
  readonly error?: string;
}

const MARK = 'NODE_DAX_MOUNT_IN_BACKGROUND';

/** Whether this process is the one in the background. */
export const isBackground = (): boolean => process.env[MARK] === '1' && process.send !== undefined;

/** In the background: tells the process that waits, which then ends. */
export async function tell(told: Told): Promise<void> {
  await new Promise((resolve) => process.send?.(told, resolve));
  process.disconnect();
}

/** Starts the same command in the background. Returns its process once it has mounted; throws what it failed with. */
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
