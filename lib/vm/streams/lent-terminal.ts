// Owns the caller's terminal while the command in the guest uses it: makes it raw, tells the guest its size, and restores it.

import type { Writable } from 'node:stream';
import type { Terminal } from './carriers.js';

/** The escape key: Ctrl-] typed `times` times within `within` milliseconds ends the guest, as in systemd-nspawn. */
const ESCAPE = { key: 0x1d, times: 3, within: 1000 } as const;

// Resets what a program that ended early may have left: no cursor, colours, the other screen, bracketed paste, the mouse.
const RESTORED = ['\x1b[?25h', '\x1b[0m', '\x1b[?1047l', '\x1b[?2004l', '\x1b[?1000l', '\x1b[?1002l', '\x1b[?1003l', '\x1b[?1006l'].join('');

/** The guest's side of the terminal. */
export interface Borrower {
  readonly input: Writable;
  resize(rows: number, columns: number): void;
  /** Called when the user has typed the escape key. */
  escape(): void;
}

/** A terminal that is lent to the guest from construction until `giveBack`, or until the process ends. */
export class LentTerminal {
  readonly #terminal: Terminal;
  readonly #borrower: Borrower;
  #escapes: number[] = [];

  constructor(terminal: Terminal, borrower: Borrower) {
    this.#terminal = terminal;
    this.#borrower = borrower;
    const { input, output } = terminal;
    this.#resize();
    output.on('resize', this.#resize);
    process.on('SIGCONT', this.#resume);
    process.once('exit', this.#cook);
    input.setRawMode(true);
    input.on('data', this.#watch);
    // The caller's terminal may disappear before the caller ends.
    input.on('error', this.#ignore);
    input.pipe(borrower.input, { end: false });
  }

  /** Restores the terminal. `whole` is false if the command may have left it in any state. */
  giveBack(whole: boolean): void {
    const { input, output } = this.#terminal;
    output.off('resize', this.#resize);
    process.off('SIGCONT', this.#resume);
    process.off('exit', this.#cook);
    input.unpipe(this.#borrower.input);
    input.off('data', this.#watch);
    input.off('error', this.#ignore);
    input.pause();
    this.#cook();
    if (!whole) output.write(RESTORED);
  }

  readonly #ignore = (): void => undefined;

  readonly #resize = (): void => {
    const { rows, columns } = this.#terminal.output;
    this.#borrower.resize(rows, columns);
  };

  /** Makes the terminal raw again after this process was stopped, because the shell has used it meanwhile. */
  readonly #resume = (): void => {
    this.#cook();
    this.#terminal.input.setRawMode(true);
    this.#resize();
  };

  readonly #cook = (): void => {
    this.#terminal.input.setRawMode(false);
  };

  readonly #watch = (chunk: Buffer): void => {
    const now = performance.now();
    for (const byte of chunk) this.#escapes = byte === ESCAPE.key ? [...this.#escapes, now].slice(-ESCAPE.times) : [];
    if (this.#escapes.length === ESCAPE.times && now - (this.#escapes[0] ?? 0) <= ESCAPE.within) this.#borrower.escape();
  };
}
