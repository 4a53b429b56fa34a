// Owns the commands `log cat` and `log tail`, which print records.

import type { Command } from 'commander';
import type { Log, LogRecord } from 'node-dax/log';
import { parseCount } from '../arguments.js';
import { complaining } from './loss.js';
import { logCommand, withLog, writeRecord, type Form } from './opened.js';

interface CatOptions extends Form {
  readonly from?: number;
}

interface TailOptions extends Form {
  readonly lines: number;
  readonly follow?: true;
}

function withForm(command: Command): Command {
  return command
    .option('--length-prefixed', 'write each record as its length, in 4 bytes, little-endian, followed by its bytes')
    .option('--json', 'write a line of JSON for each record, with its bytes in base64');
}

async function writeEach(records: Iterable<LogRecord> | AsyncIterable<LogRecord>, form: Form): Promise<void> {
  for await (const record of records) await writeRecord(record, form);
}

export function catCommand(): Command {
  return withForm(logCommand('cat', 'Write each record as a line to the standard output'))
    .option('--from <position>', 'the position of the first record (default: all)', parseCount(0))
    .action(async (path: string, { from, ...form }: CatOptions, command: Command) => {
      await withLog(path, command, { readOnly: true }, (log) => writeEach(log.records(from, { copy: true, onLoss: complaining(path) }), form));
    });
}

// The position of the first of the last `count` records, whatever is lost before it.
function lastOf(log: Log, count: number): number {
  const positions: number[] = [];
  for (const { position } of log.entries(undefined, { onLoss: () => undefined })) {
    positions.push(position);
    if (positions.length > count) positions.shift();
  }
  return positions[0] ?? log.tail;
}

export function tailCommand(): Command {
  return withForm(logCommand('tail', 'Write the last records and, with -f, new ones as they come'))
    .option('-n, --lines <count>', 'the number of records', parseCount(0), 10)
    .option('-f, --follow', 'continue with new records until it is interrupted')
    .action(async (path: string, { lines, follow, ...form }: TailOptions, command: Command) => {
      await withLog(path, command, { readOnly: true }, async (log) => {
        const from = lines === 0 ? log.tail : lastOf(log, lines);
        const onLoss = complaining(path);
        await writeEach(follow === true ? log.follow(undefined, { from, onLoss }) : log.records(from, { copy: true, onLoss }), form);
      });
    });
}
