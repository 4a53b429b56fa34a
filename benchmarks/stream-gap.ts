// How long the event loop stands still while a large file of the facade is read as a stream: the longest gap between two timers.

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { open } from '../src/index.js';
import { mkfsSync, mount } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { outputOf } from './child.js';
import { filledBuffer } from './driver.js';
import { compare, type Comparison } from './result.js';

const FILE = 256 * 2 ** 20;
const PIECE = 2 ** 20;
const NAME = 'createReadStream, 256 MiB of the facade on ext2, longest gap between timers';
const WANTED = { ns: 10e6 };

async function longestGap(folder: string): Promise<number> {
  const own = mkdtempSync(join(folder, 'gap-'));
  try {
    const device = await open(join(own, 'image'), { size: FILE + 2 ** 25 });
    mkfsSync(device);
    const ext2 = mount(device);
    const fs = createFs(ext2);
    // In pieces: a buffer of the whole file would be given back to the kernel while the stream runs, which alone takes 20 ms.
    const piece = filledBuffer(PIECE);
    for (let written = 0; written < FILE; written += PIECE) fs.appendFileSync('/file', piece);
    let last = process.hrtime.bigint();
    let longest = 0n;
    const look = (): void => {
      const now = process.hrtime.bigint();
      if (now - last > longest) longest = now - last;
      last = now;
    };
    const timer = setInterval(look, 1);
    let bytes = 0;
    for await (const chunk of fs.createReadStream('/file')) bytes += (chunk as Buffer).length;
    // A stream that let no timer run is one gap.
    look();
    clearInterval(timer);
    if (bytes !== FILE) throw new Error(`the stream gave ${bytes} of ${FILE} bytes`);
    ext2.unmount();
    device.closeSync();
    return Number(longest);
  } finally {
    rmSync(own, { recursive: true });
  }
}

/** The comparison, in processes of their own, with files in `folder`. */
export function streamGap(folder: string, times: number): Comparison {
  const run = async () => {
    const gaps: number[] = [];
    for (let time = 0; time < times; time++) gaps.push(await outputOf<number>(process.execPath, [__filename, folder]));
    return compare(NAME, WANTED, gaps);
  };
  return { name: NAME, run };
}

if (require.main === module) {
  void longestGap(process.argv[2] ?? '').then((gap) => {
    console.log(JSON.stringify(gap));
  });
}
