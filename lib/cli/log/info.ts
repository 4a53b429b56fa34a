// Owns the command `log info`: it prints the properties of a log, and how full it is.

import type { Command } from 'commander';
import type { LogInfo } from 'node-dax/log';
import { toJson } from '../json.js';
import { print, type Line } from '../output.js';
import { persistentInWords } from '../persistent.js';
import { logCommand, withLog } from './opened.js';

/** Lines of text with the properties of a log. */
export function infoLines({ id, version, capacity, used, head, tail, nextSequence, persistent }: LogInfo): Line[] {
  const rows = [
    ['id', `${id}, version ${version}`],
    ['bytes', `${used} of ${capacity} used`],
    ['positions', `${head} to ${tail}`],
    ['next', `record ${nextSequence}`],
    ['persistent', persistentInWords(persistent)],
  ];
  return rows.map(([name = '', value = '']) => [`${`${name}:`.padEnd(12)}${value}`]);
}

export function infoCommand(): Command {
  return logCommand('info', 'Show what a log is, and how full it is')
    .option('--json', 'print JSON')
    .action(async (path: string, { json }: { json?: true }, command: Command) => {
      await withLog(path, command, { readOnly: true }, async (log) => {
        await print(json === true ? [[toJson({ path, ...log.info() })]] : infoLines(log.info()));
      });
    });
}
