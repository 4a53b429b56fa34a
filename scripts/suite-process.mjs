// Runs test files in one process, and makes one subtest of the TAP that they write.
// NODE_DAX_TEST_NODE: what runs a file in place of this Node, an emulator and its arguments perhaps.

import { spawn, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const [node, ...flags] = process.env.NODE_DAX_TEST_NODE?.split(' ') ?? [process.execPath];

const together = join(dirname(fileURLToPath(import.meta.url)), 'run-suites.cjs');

// No suite takes that long. tap itself ends a test that takes too long, but not one that keeps the thread busy.
const LIMIT_MS = 7_200_000;

// A mount is busy while a copy of it is in another mount namespace, and whoever makes a namespace copies every mount that there is. So
// suites that serve mounts do it in a namespace of their own, without those of others.
const apart = ['unshare', '--mount', 'sh', '-c', 'umount -l -a -t fuse,fuse.node-dax; exec "$0" "$@"'];
const isApart = spawnSync('unshare', ['--mount', 'true']).status === 0;
const servesMounts = (file) => /[/]fuse[/]/.test(file);

/** Runs `files` as one subtest. `write` gets each line of it. Resolves with whether all is well. */
export async function runSuites(files, write, env) {
  const name = files.join(', ');
  write(`# Subtest: ${name}`);
  const start = performance.now();
  const [command, ...args] = [...(isApart && files.some(servesMounts) ? apart : []), node, ...flags, ...(files.length > 1 ? [together] : []), ...files];
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  const ended = new Promise((resolve) => {
    child.on('error', (error) => { resolve(error.message); });
    child.on('close', (status, signal) => { resolve(signal ?? (status === 0 ? '' : `exit status ${status}`)); });
  });
  let points = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (/^\s*(?:not )?ok\b|^1\.\.0 # skip/i.test(line)) points++;
    // A version line belongs to the top of a stream alone.
    if (!line.startsWith('TAP version')) write(line === '' ? '' : `    ${line}`);
  }
  const failure = (await ended) || (points === 0 ? 'it ran no test' : '');
  write(`${failure === '' ? 'ok' : 'not ok'} - ${name} # time=${Math.round(performance.now() - start)}ms`);
  if (failure !== '') write(`  ---\n  error: ${JSON.stringify(failure)}\n  ...`);
  return failure === '';
}
