// Owns the command `log create`.

import type { Command } from 'commander';
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

export function createCommand(): Command {
  return logCommand('create', 'Make a log on memory that is empty, and with --size the file for it')
    .option('--size <bytes>', 'how large a file to make, if it is not there', checked(parseSize))
    .option('-F, --force', 'even if it carries something, a log too: all of that is lost')
    .option('--json', 'print JSON')
    .action(async (path: string, { size, force, json }: Options, command: Command) => {
      const options = { create: true, ...(size !== undefined && { size }), ...(force && { force }) };
      await withLog(path, command, options, async (log) => {
        await print(json === true ? [[toJson({ path, ...log.info() })]] : [[`${path}: a log`], ...infoLines(log.info())]);
      });
    });
}
