// What a process prints as JSON.

import { spawn } from 'node:child_process';

export function outputOf<T>(command: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (text: Buffer) => (output += text.toString()));
    child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0) resolve(JSON.parse(output) as T);
      else reject(new Error(`${command} ${args.join(' ')} ended with ${status ?? 'a signal'}: ${errors}`));
    });
  });
}
