// Owns the three forms of a call: synchronous, with a callback, and with a promise. Each judges arguments before anything
// happens.

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
 * The form with a callback, for which `results` makes of the value what comes after the error, and `failed` of the arguments
 * what comes after one.
 */
export function callbackForm(name: string, call: Call, results: (value: never) => unknown[] = usual, failed: (given: unknown[]) => unknown[] = none): Any {
  return named(name, (...args) => {
    const { given, done } = apart(name, args);
    settle((call as Any)(...given) as Promise<never>, done, results, failed(given));
  });
}

/** The arguments before the callback, and the callback. */
export function apart(name: string, args: readonly unknown[]): { given: unknown[]; done: Done } {
  const index = args.findIndex((arg, at) => at > 0 && typeof arg === 'function');
  const given = index < 0 ? [...args] : args.slice(0, index);
  // A length without a position has no place in it.
  const isShort = name === 'read' && given.length === 4;
  if (index < 0 || index !== args.length - 1 || isShort || !isPlain(name, given) || isHandle(given)) judgeCallback(name, args);
  // `close` alone needs none.
  return { given, done: index < 0 ? rethrow : (args[index] as Done) };
}

// Promise forms take handles and no descriptors, the others the reverse.
function isHandle([file]: readonly unknown[]): boolean {
  return file instanceof FileHandle;
}

function none(): unknown[] {
  return [];
}

function rethrow(error: unknown): void {
  if (error instanceof Error) throw error;
}

/** The promise form. */
export function promiseForm(name: string, call: Call): Any {
  return named(name, async (...args) => {
    if (!isPlain(name, args) || typeof args[0] === 'number') await judgePromise(name, args);
    return (call as Any)(...args);
  });
}

/** Members of `calls`, each in a form. */
export function inForm<F>(calls: Readonly<Record<string, Call>>, form: (name: string, call: Call) => F): Record<string, F> {
  return Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, form(name, call)]));
}
