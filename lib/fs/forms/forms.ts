// Owns the three forms of a call: synchronous, with a callback, and with a promise. Each checks its arguments before anything else.

import { FileHandle } from '../open/file-handle.js';
import { settle, usual, type Done } from '../settle.js';
import { isPlain } from './plain.js';
import { judgeCallback, judgePromise, judgeSync } from './verdict.js';

export type Call = (...args: never[]) => unknown;
type Any = (...args: unknown[]) => unknown;

function named<F extends Any>(name: string, form: F): F {
  return Object.defineProperty(form, 'name', { value: name });
}

/** The synchronous form of `name`. */
export function syncForm(name: string, call: Call): Any {
  return named(`${name}Sync`, (...args) => {
    if (!isPlain(name, args) || isHandle(args)) judgeSync(name, args);
    return (call as Any)(...args);
  });
}

/**
 * The callback form of `name`. `results` turns the value into the callback's arguments after the error. If the call fails, `failed`
 * makes these arguments from the call's own.
 */
export function callbackForm(name: string, call: Call, results: (value: never) => unknown[] = usual, failed: (given: unknown[]) => unknown[] = none): Any {
  return named(name, (...args) => {
    const { given, done } = apart(name, args);
    settle((call as Any)(...given) as Promise<never>, done, results, failed(given));
  });
}

/** Splits the arguments into those before the callback and the callback. */
export function apart(name: string, args: readonly unknown[]): { given: unknown[]; done: Done } {
  const index = args.findIndex((arg, at) => at > 0 && typeof arg === 'function');
  const given = index < 0 ? [...args] : args.slice(0, index);
  // The callback form of `read` does not accept a length without a position.
  const isShort = name === 'read' && given.length === 4;
  if (index < 0 || index !== args.length - 1 || isShort || !isPlain(name, given) || isHandle(given)) judgeCallback(name, args);
  // Only `close` needs no callback.
  return { given, done: index < 0 ? rethrow : (args[index] as Done) };
}

// Promise forms accept handles and not descriptors; the other forms, the reverse.
function isHandle([file]: readonly unknown[]): boolean {
  return file instanceof FileHandle;
}

function none(): unknown[] {
  return [];
}

function rethrow(error: unknown): void {
  if (error instanceof Error) throw error;
}

/** The promise form of `name`. */
export function promiseForm(name: string, call: Call): Any {
  return named(name, async (...args) => {
    if (!isPlain(name, args) || typeof args[0] === 'number') await judgePromise(name, args);
    return (call as Any)(...args);
  });
}

/** The members of `calls`, each converted to a form. */
export function inForm<F>(calls: Readonly<Record<string, Call>>, form: (name: string, call: Call) => F): Record<string, F> {
  return Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, form(name, call)]));
}
