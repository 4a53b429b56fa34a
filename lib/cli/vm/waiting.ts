// Owns the words for whoever waits for a guest: what it does, and for how many seconds.

import type { VmStep } from '../../vm/index.js';

const WORDS: Readonly<Record<Exclude<VmStep, 'command'>, string>> = {
  kernel: 'finding the kernel and its modules',
  initramfs: 'making the initramfs',
  'boot under KVM': 'booting the guest under KVM',
  'boot, emulated': 'booting the guest, emulated (TCG)',
  devices: 'making the devices ready',
};

const CLEAR = '\r\x1b[K';

/**
 * On a terminal, shows one line on the standard error that counts the seconds, and removes it when the command starts. With
 * `verbose`, prints a permanent line for each step.
 */
export class Waiting {
  readonly #verbose: boolean;
  readonly #shows: boolean;
  readonly #said = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #start = performance.now();
  #line = '';

  constructor(verbose: boolean) {
    this.#verbose = verbose;
    this.#shows = process.stderr.isTTY && !verbose;
  }

  /** Shows that a step has begun. The command itself is not waited for. */
  step(step: VmStep): void {
    this.end();
    if (step === 'command') return;
    if (this.#verbose) console.error(`node-dax vm: ${WORDS[step]}`);
    if (!this.#shows) return;
    this.#start = performance.now();
    this.#line = `node-dax vm: ${WORDS[step]}`;
    this.#timer = setInterval(() => { this.#show(); }, 1000).unref();
    this.#show();
  }

  /** Prints a sentence that stays: once, whatever the number of guests that it is true of. */
  say(sentence: string): void {
    if (this.#said.has(sentence)) return;
    this.#said.add(sentence);
    if (this.#line !== '') process.stderr.write(CLEAR);
    console.error(`node-dax vm: ${sentence}`);
    this.#show();
  }

  /** Removes the line. */
  end(): void {
    clearInterval(this.#timer);
    if (this.#line !== '') process.stderr.write(CLEAR);
    this.#line = '';
  }

  #show(): void {
    if (this.#line === '') return;
    const seconds = Math.floor((performance.now() - this.#start) / 1000);
    process.stderr.write(`${CLEAR}${`${this.#line}${seconds === 0 ? '' : ` ${seconds} s`}`.slice(0, process.stderr.columns - 1)}`);
  }
}
