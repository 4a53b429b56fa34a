// Owns the choice of what carries the command's standard streams: ports, byte for byte, or a terminal.

import type { Readable, Writable } from 'node:stream';
import type { ReadStream, WriteStream } from 'node:tty';

/** The virtio-serial ports, by number. */
export const PORTS = { status: 1, stdout: 2, stderr: 3, stdin: 4, terminal: 5 } as const;

export type PortName = keyof typeof PORTS;

/** The ports from which the command's output comes. */
export type OutputName = 'stdout' | 'stderr' | 'terminal';

/** The caller's streams. */
export interface CallerStreams {
  readonly stdin?: Readable;
  readonly terminal: boolean;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** What carries each stream. A terminal carries the input, and the outputs that are terminals of the caller. */
export interface Streams {
  readonly stdin: 'nothing' | 'port' | 'terminal';
  readonly stdout: 'port' | 'terminal';
  readonly stderr: 'port' | 'terminal';
}

export function streamsOf({ terminal, stdin, stdout, stderr }: CallerStreams): Streams {
  const output = (stream: Writable): 'port' | 'terminal' => (terminal && isTerminal(stream) ? 'terminal' : 'port');
  return {
    stdin: stdin === undefined ? 'nothing' : terminal ? 'terminal' : 'port',
    stdout: output(stdout),
    stderr: output(stderr),
  };
}

/** The outputs that have a port of their own. */
export function carriedOutputs(streams: Streams): ('stdout' | 'stderr')[] {
  return (['stdout', 'stderr'] as const).filter((name) => streams[name] === 'port');
}

/** All ports that a guest with these streams has. */
export function portsOf(streams: Streams): PortName[] {
  const input: PortName[] = streams.stdin === 'nothing' ? [] : [streams.stdin === 'port' ? 'stdin' : 'terminal'];
  return ['status', ...carriedOutputs(streams), ...input];
}

/** A terminal of the caller: the stream of what is typed, and the stream that it shows. */
export interface Terminal {
  readonly input: ReadStream;
  readonly output: WriteStream;
}

/** The terminal that the command shares with the caller, if there is to be one. */
export function terminalOf({ terminal, stdin, stdout, stderr }: CallerStreams): Terminal | undefined {
  const output = [stdout, stderr].find(isTerminal);
  return terminal && isKeyboard(stdin) && output !== undefined ? { input: stdin, output } : undefined;
}

export function isTerminal(stream: unknown): stream is WriteStream {
  return (stream as Partial<WriteStream>).isTTY === true;
}

export function isKeyboard(stream: unknown): stream is ReadStream {
  return typeof (stream as Partial<ReadStream> | undefined)?.setRawMode === 'function';
}
