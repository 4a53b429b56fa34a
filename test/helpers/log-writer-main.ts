// A process that appends to the log in the first sectors of a device, and tells each sequence that was acknowledged, until it is killed.

import { writeSync } from 'node:fs';
import { openSync, partition } from 'node-dax';
import { openLog } from 'node-dax/log';
import { contentOf } from './log-crash.js';

const [path = '', sectors = ''] = process.argv.slice(2);
const log = openLog(partition(openSync(path), 0, Number(sectors)));
for (let sequence = log.info().nextSequence; ; sequence++) {
  try {
    log.append(contentOf(sequence, sequence % 700));
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOSPC') throw error;
    const positions = [...log.entries()].map(({ position }) => position);
    log.truncateBefore(positions[Math.floor(positions.length / 2)] ?? log.tail);
    sequence--;
    continue;
  }
  writeSync(1, `${sequence}\n`);
}
