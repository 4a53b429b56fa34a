// A program that maps a file of one written page and holes, in a process that may not serve every fault, and prints the results of
// touches and system calls as JSON. Arguments: the device, a file to write to.

import { once } from 'node:events';
import { closeSync, openSync as openFile, writeSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { DaxMapping, daxMmap, openSync, type MappingHandle } from 'node-dax';
import { Tfs } from './tfs.js';

/** A number, or the code of an error. */
export type Outcome = number | string | undefined;

/** What a thread that attached saw, in this order. */
export interface Seen {
  mode: string;
  /** write(2) of the written page, and of a hole, neither of which was touched before. */
  writeWritten: Outcome;
  writeHole: Outcome;
  loadHole: Outcome;
  storeHole: Outcome;
  prefault: Outcome;
  /** write(2) of what was prefaulted. */
  writePrefaulted: Outcome;
  /** What it was told of. */
  losses: string[];
}

export interface ModeReport extends Seen {
  /** What read(2) gives for the page that the other thread stored 9 to. */
  stored: number | undefined;
  /** What the owner's own mapping shows of a hole that it stored 7 to, what the file has there, and what the other thread sees. */
  own: (number | undefined)[];
  /** What the other thread sees in a page that was punched. */
  punched: number | undefined;
}

const PAGE = 4096;
const PAGES = 6;

function attempt(work: () => Outcome): Outcome {
  try {
    return work();
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

async function look({ handle, target }: { handle: MappingHandle; target: string }): Promise<void> {
  const mapping = DaxMapping.attach(handle);
  const losses: string[] = [];
  const told = once(mapping, 'error');
  mapping.on('error', ({ code, position }: { code: string; position: number }) => losses.push(`${code} at page ${position / PAGE}`));
  const bytes = new Uint8Array(mapping.buffer);
  const fd = openFile(target, 'w');
  const write = (page: number) => attempt(() => writeSync(fd, bytes.subarray(page * PAGE, (page + 1) * PAGE)));
  const seen: Seen = {
    mode: mapping.faultInfo().mode,
    writeWritten: write(0),
    writeHole: write(1),
    loadHole: bytes[2 * PAGE],
    storeHole: (bytes[3 * PAGE] = 9),
    prefault: attempt(() => {
      mapping.prefault();
      return undefined;
    }),
    writePrefaulted: write(4),
    losses,
  };
  closeSync(fd);
  // What it listens to keeps it here.
  parentPort?.on('message', (page: number) => parentPort?.postMessage(bytes[page * PAGE]));
  // The store to a hole was lost, which is told of later.
  if (seen.mode === 'none') await told;
  parentPort?.postMessage(seen);
}

async function main(path: string, target: string): Promise<void> {
  const device = openSync(path);
  const fs = new Tfs({ devices: [device] });
  const inode = fs.inode();
  const file = fs.file(inode);
  const mapping = daxMmap(inode, { length: PAGES * PAGE }, fs.operations.getBlock, fs.operations);
  file.writeSync(Buffer.alloc(PAGE, 1), 0);
  file.truncateSync(PAGES * PAGE);
  const worker = new Worker(__filename, { workerData: { handle: mapping.handle, target }, execArgv: [] });
  const answer = () => new Promise<unknown>((resolve, reject) => worker.once('message', resolve).once('error', reject));
  const seen = (await answer()) as Seen;
  const ask = (page: number) => {
    worker.postMessage(page);
    return answer() as Promise<number | undefined>;
  };
  const read = (page: number) => {
    const byte = Buffer.alloc(1);
    file.readSync(byte, page * PAGE);
    return byte[0];
  };
  const stored = read(3);
  const bytes = new Uint8Array(mapping.buffer);
  bytes[5 * PAGE] = 7;
  const own = [bytes[5 * PAGE], read(5), await ask(5)];
  file.punchHoleSync(0, PAGE);
  const report: ModeReport = { ...seen, stored, own, punched: await ask(0) };
  console.log(JSON.stringify(report));
  await worker.terminate();
  await device.close();
}

if (isMainThread) void main(process.argv[2] ?? '', process.argv[3] ?? '');
else void look(workerData as { handle: MappingHandle; target: string });
