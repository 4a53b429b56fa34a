// Owns the command `log create`.

import type { Command } from 'commander';
import { openLog } from 'node-dax/log';
import { parseSize } from '../../vm/size.js';
import { checked } from '../arguments.js';
import { toJson } from '../json.js';
import { print } from '../output.js';
import { logCommand, withLog } from './opened.js';
import { infoLines } from './info.js';

interface Options {
  readonly size?: number;
  readonly force?: true;
  readonly json?: true;
}

function hasLog(path: string): boolean {
  try {
    openLog(path, { readOnly: true }).close();
    return true;
  } catch {
    return false; // what is wrong there is told by making the log
  }
}

export function createCommand(): Command {
  return logCommand('create', 'Make a log on empty memory, and with --size the file for it')
    .option('--size <bytes>', 'size of the file to make, if it does not exist', checked(parseSize))
    .option('-F, --force', 'proceed even if it carries content, even a log, which is lost')
    .option('--json', 'print JSON')
    .action(async (path: string, { size, force, json }: Options, command: Command) => {
      const options = { create: true, ...(size !== undefined && { size }), ...(force && { force }) };
      const created = force === true || !hasLog(path);
      await withLog(path, command, options, async (log) => {
        const what = created ? 'a new log' : 'a log already, which stays as it is: --force makes it anew, and all in it is lost';
        await print(json === true ? [[toJson({ path, created, ...log.info() })]] : [[`${path}: ${what}`], ...infoLines(log.info())]);
      });
    });
}
