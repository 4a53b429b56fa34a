// Owns the PATH of a command: opening the log on it, and errors that name the command and the path.

import { Argument, Command } from 'commander';
import { DaxError } from 'node-dax';
import { openLog, type Log, type LogRecord, type OpenLogOptions } from 'node-dax/log';
import { write } from '../output.js';

/** A command on a log. */
export function logCommand(name: string, description: string): Command {
  return new Command(name).description(description).addArgument(new Argument('<path>', 'a file, a block device, or /dev/daxX.Y'));
}

// What hints of the library say to programs, and what a command says in its place.
const IN_COMMANDS: readonly (readonly [string, string])[] = [
  ['force: true', '--force'],
  ['create: true makes one', '`node-dax log create` makes one'],
  ['`size` creates an ordinary file', '`node-dax log create --size` makes a file there'],
  ['truncateBefore gives room', 'a program gives room by truncateBefore, or make a larger log'],
];

function relabelled(error: unknown, command: string, path: string): unknown {
  if (!(error instanceof DaxError)) return error;
  const { errno, position, reason, hint = '' } = error;
  const inCommand = IN_COMMANDS.reduce((text, [ofLibrary, ofCommand]) => text.replace(ofLibrary, ofCommand), hint);
  return new DaxError({ errno, syscall: `log ${command}`, path, position, reason, hint: inCommand, cause: error });
}

/** Opens the log at `path` for `work`, and closes it after that. */
export async function withLog(path: string, command: Command, options: OpenLogOptions, work: (log: Log) => unknown): Promise<void> {
  try {
    const log = openLog(path, options);
    try {
      if (options.readOnly !== true && log.device.persistent === false) {
        console.error(`node-dax: ${path}: this memory does not survive a power cut: \`node-dax list\` shows what is persistent`);
      }
      await work(log);
    } finally {
      log.close();
    }
  } catch (error) {
    throw relabelled(error, command.name(), path);
  }
}

/** The form in which records are printed. */
export interface Form {
  readonly json?: true;
  readonly lengthPrefixed?: true;
}

const NEWLINE = Buffer.from('\n');

/** Writes a record: its bytes as a line, a line of JSON, or its length in 4 bytes followed by its bytes. */
export async function writeRecord({ position, sequence, bytes }: LogRecord, { json, lengthPrefixed }: Form): Promise<void> {
  if (json === true) {
    const text = Buffer.from(bytes).toString('base64');
    await write(Buffer.from(`${JSON.stringify({ position, sequence, length: bytes.length, base64: text })}\n`));
  } else if (lengthPrefixed === true) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    await write(Buffer.concat([length, bytes]));
  } else {
    await write(Buffer.concat([bytes, NEWLINE]));
  }
}
