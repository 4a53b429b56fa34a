// Owns the parsing of the values of `node-dax vm`.

import { InvalidArgumentError } from 'commander';
import { checkFolder, checkParameters, checkPort, checkQemuArgument } from '../../vm/options.js';
import { checkInstant } from '../../vm/power-cut.js';
import { parseDevice, parseNvdimm, type Nvdimm } from '../../vm/index.js';
import { checked } from '../arguments.js';

/** A parser for an option that is given once. */
export const parseWhole = checked(wholeNumber);
export const parseSeconds = checked(seconds);
export const parseParameters = checked((text) => accepted(text, checkParameters));
export const parsePort = checked((text) => accepted(wholeNumber(text), checkPort));

/** Parsers for options that are repeated: each adds to what came before. */
export const addQemuArgument = adding(checked((text) => [accepted(text, checkQemuArgument)]));
export const addFolder = adding(checked((text) => [accepted(text, checkFolder)]));
export const addInstants = adding(checked((text) => text.split(',').map((word) => accepted(seconds(word), checkInstant))));
export const addDevice = adding(checked((text): Nvdimm[] => [parseDevice(text)]));
export const addNvdimm = adding(checked((text): Nvdimm[] => (text === 'none' ? [] : [parseNvdimm(text)])));

function adding<T>(parse: (text: string) => T[]): (text: string, earlier?: T[]) => T[] {
  return (text, earlier = []) => [...earlier, ...parse(text)];
}

function accepted<T>(value: T, check: (value: T) => void): T {
  check(value);
  return value;
}

function wholeNumber(text: string): number {
  if (!/^[0-9]+$/.test(text)) throw new RangeError(`'${text}' is not a whole number`);
  return Number(text);
}

function seconds(text: string): number {
  if (!/^[0-9]+(?:\.[0-9]+)?$/.test(text)) throw new RangeError(`'${text}' is not a number of seconds`);
  return Number(text);
}

/** Adds NAME=VALUE, or NAME with the value that it has here. */
export function addVariable(text: string, earlier: Record<string, string> = {}): Record<string, string> {
  const equals = text.indexOf('=');
  const name = equals === -1 ? text : text.slice(0, equals);
  if (name === '') throw new InvalidArgumentError(`'${text}' has no name before the '='`);
  const value = equals === -1 ? process.env[name] : text.slice(equals + 1);
  return value === undefined ? earlier : { ...earlier, [name]: value };
}
