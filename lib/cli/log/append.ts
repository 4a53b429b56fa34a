// Owns the command `log append`: it appends records from the standard input.

import type { Command } from 'commander';
import type { Log } from 'node-dax/log';
import { toJson } from '../json.js';
import { print } from '../output.js';
import { logCommand, withLog } from './opened.js';

interface Options {
  readonly lengthPrefixed?: true;
  readonly json?: true;
}

/** Splits whole records off the front of `bytes`. Returns them and the rest. */
type Divide = (bytes: Buffer) => { records: Buffer[]; rest: Buffer };

const byLines: Divide = (bytes) => {
  const records: Buffer[] = [];
  let from = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
    records.push(bytes.subarray(from, end));
    from = end + 1;
  }
  return { records, rest: bytes.subarray(from) };
};

const byLengths: Divide = (bytes) => {
  const records: Buffer[] = [];
  let from = 0;
  while (from + 4 <= bytes.length) {
    const end = from + 4 + bytes.readUInt32LE(from);
    if (end > bytes.length) break;
    records.push(bytes.subarray(from + 4, end));
    from = end;
  }
  return { records, rest: bytes.subarray(from) };
};

async function appendAll(log: Log, divide: Divide): Promise<{ count: number; rest: Buffer }> {
  let count = 0;
  let rest = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    const divided = divide(Buffer.concat([rest, chunk as Buffer]));
    count += log.appendMany(divided.records).length;
    rest = Buffer.from(divided.rest);
  }
  return { count, rest };
}

export function appendCommand(): Command {
  return logCommand('append', 'Append records from the standard input: a line each')
    .option('--length-prefixed', 'each record is its length, in 4 bytes, little-endian, and its bytes')
    .option('--json', 'print JSON')
    .action(async (path: string, { lengthPrefixed, json }: Options, command: Command) => {
      await withLog(path, command, {}, async (log) => {
        const { count, rest } = await appendAll(log, lengthPrefixed === true ? byLengths : byLines);
        if (rest.length > 0 && lengthPrefixed === true) throw new Error(`${path}: the input ends within a record; ${count} were appended`);
        const total = count + (rest.length > 0 ? 1 : 0);
        // The last line may have no newline.
        if (rest.length > 0) log.append(rest);
        if (json === true) await print([[toJson({ path, appended: total, tail: log.tail })]]);
      });
    });
}
