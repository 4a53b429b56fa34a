// Owns the command `log check`: it reads every record, and prints what cannot be read.

import type { Command } from 'commander';
import type { Loss } from 'node-dax/log';
import { toJson } from '../json.js';
import { print } from '../output.js';
import { inWords } from './loss.js';
import { logCommand, withLog } from './opened.js';

export function checkCommand(): Command {
  return logCommand('check', 'Read every record, and report those that cannot be read; exit status 1 if there are any')
    .option('--json', 'print JSON')
    .action(async (path: string, { json }: { json?: true }, command: Command) => {
      await withLog(path, command, { readOnly: true }, async (log) => {
        const losses: Loss[] = [];
        let records = 0;
        let bytes = 0;
        for (const record of log.records(undefined, { onLoss: (loss) => losses.push(loss) })) {
          records++;
          bytes += record.bytes.length;
        }
        if (json === true) await print([[toJson({ path, records, bytes, losses })]]);
        else await print([[`${path}: ${records} records of ${bytes} bytes are intact`], ...losses.map((loss) => [inWords(loss)])]);
        if (losses.length > 0) process.exitCode = 1;
      });
    });
}
