// Owns threads that look at files through mappings of their own and do there what they are told.

import { join } from 'node:path';
import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { Test } from 'tap';
import type { MappingHandle } from 'node-dax';
import type { Answer, Command, Commands, Loss, PlainError } from './fault-worker-main.js';
import { noteIfStuck } from './watchdog.js';

interface Pending {
  what: string;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

// Threads that a test is done with, for the next one: to start one takes an emulated machine longer than most tests.
const idle: FaultWorker[] = [];

/** A thread that attaches mappings; they are numbered from 0 in the order of attaching. */
export class FaultWorker {
  /** What its mappings told of pages that could not be had. */
  losses: Loss[] = [];
  /** Resolves with its exit code. */
  readonly exited: Promise<number>;
  // Not with the options of this process: a test runner's hooks would be loaded in each thread.
  readonly #worker = new Worker(join(__dirname, 'fault-worker-main.js'), { execArgv: [] });
  readonly #pending = new Map<number, Pending>();
  #hasExited = false;
  #count = 0;
  #waiting: (() => void)[] = [];

  private constructor() {
    this.#worker.on('message', (answer: Answer) => {
      this.#receive(answer);
    });
    this.#worker.on('error', (error) => {
      this.#failAll(error);
    });
    this.exited = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        this.#hasExited = true;
        this.#failAll(new Error(`the worker ended with ${code}`));
        resolve(code);
      });
    });
  }

  static async start(test: Test, ...handles: MappingHandle[]): Promise<FaultWorker> {
    const worker = idle.pop() ?? new FaultWorker();
    worker.#worker.ref();
    noteIfStuck(test, () => `a worker is in ${[...worker.#pending.values()].map(({ what }) => what).join(', ') || 'nothing'}`);
    test.teardown(() => worker.#release());
    for (const handle of handles) await worker.call('attach', handle);
    return worker;
  }

  // One that is still at work, or has ended, is of no use to others.
  async #release(): Promise<void> {
    if (this.#hasExited || this.#pending.size > 0) {
      await this.#worker.terminate();
      return;
    }
    await this.call('forget');
    this.losses = [];
    this.#worker.unref();
    idle.push(this);
  }

  /** Has it do something. Rejects with what is thrown there. */
  call<K extends keyof Commands>(name: K, ...args: Parameters<Commands[K]>): Promise<Awaited<ReturnType<Commands[K]>>> {
    const id = ++this.#count;
    const what = `${name}(${args.map((arg) => inspect(arg, { depth: 0, breakLength: Infinity })).join(', ')})`;
    const answered = new Promise<unknown>((resolve, reject) => this.#pending.set(id, { what, resolve, reject }));
    this.#worker.postMessage({ id, name, args } satisfies Command);
    return answered as Promise<Awaited<ReturnType<Commands[K]>>>;
  }

  load(pos: number, mapping = 0): Promise<number> {
    return this.call('load', mapping, pos);
  }

  store(pos: number, value: number, mapping = 0): Promise<void> {
    return this.call('store', mapping, pos, value);
  }

  /** Resolves once its mappings have told of so many losses. */
  async lost(count: number): Promise<Loss[]> {
    while (this.losses.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.losses;
  }

  /** Resolves once everything that it has sent was received. */
  async settled(): Promise<void> {
    await this.call('nothing');
  }

  terminate(): Promise<number> {
    return this.#worker.terminate();
  }

  #receive(answer: Answer): void {
    if ('loss' in answer) {
      this.losses.push(answer.loss);
      for (const wake of this.#waiting.splice(0)) wake();
      return;
    }
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if (answer.error !== undefined) pending?.reject(asError(answer.error));
    else pending?.resolve(answer.value);
  }

  #failAll(error: unknown): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}

function asError(plain: PlainError): Error {
  return Object.assign(new Error(plain.message), plain);
}
