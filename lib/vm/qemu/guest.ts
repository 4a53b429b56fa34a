// Owns one running QEMU: its sockets, the messages of the guest's init, and its end.

import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Duplex, Writable } from 'node:stream';
import { VmError } from '../error.js';
import { Monitor } from './monitor.js';
import type { OutputName } from '../streams/carriers.js';
import { TrailerFilter } from '../streams/trailer.js';

/** The descriptors of QEMU: sockets to this process, then the files that it inherits. */
export const SOCKETS = { status: 3, stdout: 4, stderr: 5, console: 6, stdin: 7, terminal: 8, qmp: 9 } as const;
export const FIRST_INHERITED = 10;

/** Status of `flock` when another guest has one of the NVDIMM files. */
export const LOCK_CONFLICT = 75;

const CONSOLE_BYTES = 65536;
const CONSOLE_LINES = 40;

export interface GuestOptions {
  readonly program: string;
  readonly arguments: readonly string[];
  /** Descriptors that QEMU inherits, from `FIRST_INHERITED` on. */
  readonly inherited: readonly number[];
  /** The mark at the end of the command's streams. */
  readonly trailer: Buffer;
  /** The destination of each output of the guest. */
  readonly sinks: Readonly<Partial<Record<OutputName, Writable>>>;
  /** The destination of what the kernel says. */
  readonly console?: Writable;
}

interface GuestEvents {
  /** The guest's init has opened the status port. */
  init: [];
  /** All devices are ready, and the command starts. */
  provisioned: [];
}

/** A guest from start to end. Events come in the order of `GuestEvents`. */
export class Guest extends EventEmitter<GuestEvents> {
  /**
   * Resolves to the exit status of the command, after all its output was passed on. Rejects with `VmError` when the guest fails or
   * dies, or with the reason given to `kill`. QEMU has ended by then.
   */
  readonly status: Promise<number>;
  /** Resolves when all devices are ready, and the command starts. Rejects as `status` does. */
  readonly ready: Promise<void>;
  readonly #monitor: Monitor;
  readonly #process: ChildProcess;
  readonly #trailer: Buffer;
  readonly #filters: TrailerFilter[] = [];
  #reject: (reason: unknown) => void = () => undefined;
  #console = '';
  #errors = '';

  constructor(options: GuestOptions) {
    super();
    this.#trailer = options.trailer;
    // QEMU gets its own process group, so Ctrl-C reaches only this process, which handles it.
    this.#process = spawn(options.program, options.arguments, {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', ...Object.values(SOCKETS).map(() => 'pipe' as const), ...options.inherited],
    });
    // Writes to a guest that has ended fail, which is no error.
    for (const fd of Object.values(SOCKETS)) this.#stream(fd).on('error', () => undefined);
    this.#stream(2).on('data', (chunk: Buffer) => { this.#errors = tail(this.#errors + chunk.toString()); });
    this.#stream(SOCKETS.console).on('data', (chunk: Buffer) => { this.#console = tail(this.#console + chunk.toString()); });
    if (options.console !== undefined) this.#stream(SOCKETS.console).pipe(options.console, { end: false });
    this.#monitor = new Monitor(this.#stream(SOCKETS.qmp));
    this.status = this.#run(options);
    this.ready = Promise.race([once(this, 'provisioned'), this.status]).then(() => undefined);
  }

  /** Ends the guest at once: `status` is rejected with `reason`. */
  kill(reason: unknown): void {
    this.#reject(reason);
  }

  /** The stream that the command reads, by a port or from its terminal. Bytes wait in the host until the guest asks for them. */
  input(port: 'stdin' | 'terminal'): Writable {
    return this.#stream(SOCKETS[port]);
  }

  /** Tells the guest the size of its terminal. It waits for one before the command starts. */
  resize(rows: number, columns: number): void {
    this.#stream(SOCKETS.status).write(`size ${rows} ${columns}\n`);
  }

  /** The result of `work`, which is done while the processors of the guest stand still. Rejects with `VmError` if it has ended. */
  async stopped<T>(work: () => T): Promise<T> {
    const ended = this.status.then(() => { throw new VmError('the guest has ended'); });
    await Promise.race([this.#monitor.execute('stop'), ended]);
    try {
      return work();
    } finally {
      await Promise.race([this.#monitor.execute('cont'), ended]);
    }
  }

  async #run({ sinks }: GuestOptions): Promise<number> {
    const failed = new Promise<never>((_resolve, reject) => {
      this.#reject = reject;
    });
    const gone = new Promise<void>((resolve) => {
      this.#process.on('error', (error) => { this.#reject(error); resolve(); });
      // 'close' and not 'exit', so the last output of a dying guest is still passed on.
      this.#process.on('close', (code) => { this.#reject(this.#death(code)); resolve(); });
    });
    try {
      const output = Promise.all(Object.entries(sinks).map(([name, sink]) => this.#forward(SOCKETS[name as OutputName], sink)));
      const [status] = await Promise.race([Promise.all([this.#listen(), output]), failed]);
      return status;
    } finally {
      this.#process.kill('SIGKILL');
      for (const fd of Object.values(SOCKETS)) this.#stream(fd).destroy();
      await gone;
    }
  }

  #stream(fd: number): Duplex {
    return this.#process.stdio[fd] as unknown as Duplex;
  }

  /** Follows the status port until the command's exit status. */
  async #listen(): Promise<number> {
    for await (const line of createInterface({ input: this.#stream(SOCKETS.status) })) {
      const [, word, rest = ''] = /^(\w+) ?(.*)$/.exec(line) ?? [];
      if (word === 'init') this.emit('init');
      else if (word === 'provisioned') this.emit('provisioned');
      else if (word === 'ended') this.#askForTrailers();
      else if (word === 'exit') return Number(rest);
      else if (word === 'failed') throw new VmError(`the guest failed: ${rest}${this.#lastWords()}`);
    }
    return await new Promise<never>(() => undefined);
  }

  /** The command has ended, and what it wrote is on its way: the trailers come after it. */
  #askForTrailers(): void {
    for (const filter of this.#filters) filter.expect();
    this.#stream(SOCKETS.status).write('trailers\n');
  }

  /** Passes the bytes of one port on to `sink`, up to the trailer. */
  async #forward(fd: number, sink: Writable): Promise<void> {
    const filter = new TrailerFilter(this.#trailer);
    this.#filters.push(filter);
    const broken = (error: Error): void => { this.#reject(new VmError(`the output of the guest cannot be written: ${error.message}`)); };
    sink.on('error', broken);
    try {
      const ended = once(filter, 'end');
      filter.once('trailer', () => filter.end());
      // The filter ends at the trailer; the socket never does while QEMU runs.
      this.#stream(fd).pipe(filter).pipe(sink, { end: false });
      await ended;
    } finally {
      filter.unpipe(sink);
      sink.off('error', broken);
    }
  }

  #death(code: number | null): VmError {
    if (code === LOCK_CONFLICT) return new VmError('another guest is using one of the NVDIMM files: guests have one at the same time if all of them share it');
    const panic = /Kernel panic - not syncing: (.*)/.exec(this.#console)?.[1]?.trim();
    const how = panic === undefined ? 'the guest ended before the command did' : `the kernel of the guest panicked: ${panic}`;
    return new VmError(`${how}${this.#lastWords()}`);
  }

  /** The last output of QEMU and of the kernel's console, for the message of a failure. */
  #lastWords(): string {
    const parts = [['QEMU', this.#errors], ["the guest's console", this.#console]] as const;
    return parts
      .map(([name, text]) => [name, text.replaceAll('\r', '').trimEnd().split('\n').slice(-CONSOLE_LINES).join('\n')] as const)
      .filter(([, text]) => text !== '')
      .map(([name, text]) => `\n--- ${name} ---\n${text}`)
      .join('');
  }

  /** As `kill`, with `message` and the last output of the guest as the reason. */
  fail(message: string): void {
    this.kill(new VmError(`${message}${this.#lastWords()}`));
  }
}

function tail(text: string): string {
  return text.slice(-CONSOLE_BYTES);
}
