// Owns a thread that runs `node-dax` again and again: a command costs some milliseconds there, and as a process of its own a
// quarter of a second.

import { join } from 'node:path';
import { MessageChannel, receiveMessageOnPort, SHARE_ENV, Worker, type MessagePort } from 'node:worker_threads';

/** What the thread is given. */
export interface CommandThreadSetup {
  readonly port: MessagePort;
  /** Becomes 1 when a command has ended. */
  readonly ended: Int32Array;
  /** The path of the program, as in `process.argv`. */
  readonly main: string;
}

/** How a command ended, and what it printed. */
export interface CommandEnd {
  readonly status: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

const LIMIT_MS = 240_000;

/** A thread that runs commands of this program. It ends with the process. */
export class CommandThread {
  readonly #port: MessagePort;
  readonly #ended = new Int32Array(new SharedArrayBuffer(4));

  constructor(main: string) {
    const { port1, port2: port } = new MessageChannel();
    const workerData: CommandThreadSetup = { port, ended: this.#ended, main };
    const worker = new Worker(join(__dirname, 'command-thread-main.js'), { workerData, transferList: [port], env: SHARE_ENV, execArgv: [] });
    worker.unref();
    this.#port = port1;
    port1.unref();
  }

  /** Runs a command, and waits for its end. */
  run(args: readonly string[]): CommandEnd {
    Atomics.store(this.#ended, 0, 0);
    this.#port.postMessage(args);
    if (Atomics.wait(this.#ended, 0, 0, LIMIT_MS) === 'timed-out') throw new Error(`node-dax ${args.join(' ')}: it did not end`);
    return (receiveMessageOnPort(this.#port) as { message: CommandEnd }).message;
  }
}
