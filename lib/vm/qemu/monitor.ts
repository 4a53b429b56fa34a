// Owns the monitor of a running QEMU: commands and replies of the QEMU Machine Protocol.

import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { VmError } from '../error.js';

interface Reply {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/** The monitor behind a socket. Replies come in the order of the commands. */
export class Monitor {
  readonly #socket: Duplex;
  readonly #waiting: Waiting[] = [];
  #isReady = false;

  constructor(socket: Duplex) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => { this.#take(JSON.parse(line) as Reply); });
  }

  /** Executes a command without arguments. Rejects with `VmError` if QEMU refuses it. Without QEMU it never settles. */
  async execute(command: string): Promise<void> {
    if (!this.#isReady) {
      this.#isReady = true;
      await this.#send('qmp_capabilities');
    }
    await this.#send(command);
  }

  async #send(execute: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute })}\n`);
    });
  }

  /** Takes a line of QEMU. Its greeting and its events answer nothing. */
  #take({ return: result, error }: Reply): void {
    if (error !== undefined) this.#waiting.shift()?.reject(new VmError(`QEMU says: ${error.desc}`));
    else if (result !== undefined) this.#waiting.shift()?.resolve();
  }
}
