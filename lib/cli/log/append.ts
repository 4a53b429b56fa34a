// Owns the command `log append`: it appends records from the standard input.

import type { Command } from 'commander';
import { DaxError } from 'node-dax';
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

const isFull = (error: unknown): boolean => error instanceof DaxError && error.reason === 'DEVICE_FULL';

// Appends what the standard input has, a chunk of records at a time. An error says how many were appended.
async function appendAll(log: Log, divide: Divide): Promise<{ count: number; rest: Buffer }> {
  let count = 0;
  let rest = Buffer.alloc(0);
  const append = (records: readonly Buffer[]): void => {
    try {
      count += log.appendMany(records).length;
      return;
    } catch (error) {
      if (!isFull(error)) throw error;
    }
    // As many as there is room for, and the error of the first that is too much.
    for (const record of records) {
      log.append(record);
      count++;
    }
  };
  try {
    for await (const chunk of process.stdin) {
      const divided = divide(Buffer.concat([rest, chunk as Buffer]));
      append(divided.records);
      rest = Buffer.from(divided.rest);
    }
    // The last line may have no newline.
    if (rest.length > 0 && divide === byLines) append([rest]);
  } catch (error) {
    if (!(error instanceof DaxError)) throw error;
    const { errno, syscall, reason, position, hint } = error;
    throw new DaxError({ errno, syscall, reason, position, hint: `${hint ?? ''}; ${count} records of the input were appended`, cause: error });
  }
  return { count, rest: divide === byLines ? Buffer.alloc(0) : rest };
}

export function appendCommand(): Command {
  return logCommand('append', 'Append a record for each line of the standard input')
    .option('--length-prefixed', 'each record is its length, in 4 bytes, little-endian, followed by its bytes')
    .option('--json', 'print JSON')
    .action(async (path: string, { lengthPrefixed, json }: Options, command: Command) => {
      await withLog(path, command, {}, async (log) => {
        const { count, rest } = await appendAll(log, lengthPrefixed === true ? byLengths : byLines);
        if (rest.length > 0) throw new Error(`${path}: the input ends within a record; ${count} were appended`);
        if (json === true) await print([[toJson({ path, appended: count, tail: log.tail })]]);
      });
    });
}
