// A process of the comparisons of famfs: `famfs-child.js REQUEST` mounts one for the first time, or makes files that a process of
// its own follows, and prints nanoseconds as JSON.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { mountFamfs } from 'node-dax/famfs';
import { openSync } from '../src/index.js';

export interface FamfsRequest {
  readonly what: 'mount' | 'create' | 'follow';
  readonly path: string;
  readonly systemUuidFile: string;
  /** Files that are made, and milliseconds between two looks at the log. */
  readonly files: number;
  readonly everyMs: number;
}

const MORE_THAN_A_LOOK = 3;

// Of processor, in all threads: compiling and garbage collection are part of it.
function mountOnce({ path, systemUuidFile }: FamfsRequest): number {
  const device = openSync(path, { readOnly: true });
  const before = process.cpuUsage();
  const famfs = mountFamfs(device, { systemUuidFile });
  const { user, system } = process.cpuUsage(before);
  if (famfs.entries !== famfs.capacity) throw new Error(`${famfs.entries} entries of ${famfs.capacity}`);
  return (user + system) * 1000;
}

function now(): number {
  return Number(process.hrtime.bigint());
}

// The times at which `create` returned are the master's, those at which a file was seen the client's, by one clock of the kernel.
async function create(request: FamfsRequest): Promise<number[]> {
  const client = fork(__filename, [JSON.stringify({ ...request, what: 'follow' })]);
  await once(client, 'message');
  const seen = once(client, 'message') as Promise<[number[]]>;
  const famfs = mountFamfs(openSync(request.path), { systemUuidFile: request.systemUuidFile });
  const returned: number[] = [];
  for (let n = 0; n < request.files; n++) {
    famfs.create(`f${n}`, 4096);
    returned.push(now());
    await wait(MORE_THAN_A_LOOK);
  }
  const [times] = await seen;
  // One that looks while `create` returns may be before it.
  return times.map((time, n) => Math.max(0, time - (returned[n] ?? NaN)));
}

async function follow({ path, systemUuidFile, files, everyMs }: FamfsRequest): Promise<void> {
  const famfs = mountFamfs(openSync(path, { readOnly: true }), { systemUuidFile, readOnly: true });
  const times: number[] = [];
  process.send?.('ready');
  for await (const { isRegular } of famfs.follow(undefined, { everyMs })) {
    if (isRegular && times.push(now()) === files) break;
  }
  process.send?.(times);
  process.disconnect();
}

async function main(): Promise<void> {
  const request = JSON.parse(process.argv[2] ?? '') as FamfsRequest;
  if (request.what === 'follow') await follow(request);
  else console.log(JSON.stringify(request.what === 'mount' ? mountOnce(request) : await create(request)));
}

void main();
