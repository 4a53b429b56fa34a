// A process that does actions on the log at the beginning of a file, each between two flushes of the page after the log; the
// flushes mark the beginning and the end of the action in the recording addon's events. The actions come from the standard input.

import { readFileSync } from 'node:fs';
import { openSync, partition } from 'node-dax';
import { act, LOG_SIZE, type Action, type Opened } from './log-crash.js';

const [path = ''] = process.argv.slice(2);
const device = openSync(path);
const opened: Opened = { device: partition(device, 0, LOG_SIZE / 512), log: undefined };
for (const action of JSON.parse(readFileSync(0, 'utf8')) as Action[]) {
  device.flush(LOG_SIZE, 1);
  act(opened, action);
  device.flush(LOG_SIZE, 1);
}
