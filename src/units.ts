// Owns sizes and offsets: constants, rounding by division (bit operators cut at 32 bits), and the checks of numbers.

import { argumentError } from './argument-error.js';

/** Bytes in a sector, the unit of `directAccess`. */
export const SECTOR_SIZE = 512;

/** Bytes in a page, the unit of mappings and page frames. */
export const PAGE_SIZE = 4096;

/** A byte offset or length: a safe integer, or a bigint in that range. */
export type Bytes = number | bigint;

/** `value` rounded down to a multiple of `unit`. */
export function roundDown(value: number, unit: number): number {
  return value - (value % unit);
}

/** `value` rounded up to a multiple of `unit`. */
export function roundUp(value: number, unit: number): number {
  return roundDown(value + unit - 1, unit);
}

/**
 * Returns `value` as a number of at least 0. Throws `TypeError` for anything but a number or bigint, `RangeError` for a value that
 * is negative or not a safe integer.
 */
export function toBytes(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  return checkBytes(value, name);
}

function checkBytes(value: unknown, name: string): number {
  const integer = toSafeInteger(value, name);
  if (integer < 0) throw argumentError('ERR_OUT_OF_RANGE', `${name} must not be negative, got ${integer}`);
  return integer;
}

/** As `toBytes`, but lets negative integers through: the size of `directAccess` may be an errno. */
export function toSafeInteger(value: unknown, name: string): number {
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    throw argumentError('ERR_INVALID_ARG_TYPE', `${name} must be a number or a bigint, got ${value === null ? 'null' : typeof value}`);
  }
  const integer = Number(value);
  if (!Number.isSafeInteger(integer)) {
    throw argumentError('ERR_OUT_OF_RANGE', `${name} must be an integer between -(2^53-1) and 2^53-1, got ${value}`);
  }
  return integer;
}

/**
 * Returns `value`, checked to be an unsigned 64-bit integer. Throws `TypeError` for anything but a number or bigint, `RangeError`
 * for a bigint out of range, or a number that is negative or not a safe integer.
 */
export function toU64(value: unknown): Bytes {
  if (typeof value !== 'bigint') return toBytes(value, 'value');
  if (BigInt.asUintN(64, value) === value) return value;
  throw argumentError('ERR_OUT_OF_RANGE', `value must be from 0 to 2^64-1, got ${value}`);
}
