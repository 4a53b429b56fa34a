// Owns the times of inodes: 32 bits of seconds and, in larger inodes, an extra field with 2 bits of epoch and 30 of nanoseconds.

const EPOCHS = 4;
const EPOCH_BITS = 2 ** 2;
const SECONDS_RANGE = 2 ** 32;
const MIN_SECONDS = -(2 ** 31);
const NS_PER_SECOND = 1_000_000_000n;
const NS_PER_MS = 1_000_000n;

/** A time as stored: signed seconds, and the extra field of a larger inode. */
export interface Timestamp {
  seconds: number;
  extra: number;
}

/** Milliseconds since 1970. `extra` is undefined if the inode has no extra field. */
export function toMilliseconds(seconds: number, extra: number | undefined): number {
  if (extra === undefined) return seconds * 1000;
  const epoch = extra % EPOCH_BITS;
  const nanoseconds = Math.floor(extra / EPOCH_BITS);
  return (seconds + epoch * SECONDS_RANGE) * 1000 + nanoseconds / 1e6;
}

/** Nanoseconds since 1970, exactly. `extra` is undefined if the inode has no extra field. */
export function toNanoseconds(seconds: number, extra: number | undefined): bigint {
  if (extra === undefined) return BigInt(seconds) * NS_PER_SECOND;
  const whole = seconds + (extra % EPOCH_BITS) * SECONDS_RANGE;
  return BigInt(whole) * NS_PER_SECOND + BigInt(Math.floor(extra / EPOCH_BITS));
}

/** Converts milliseconds to nanoseconds, with the rounding of `fromMilliseconds`. */
export function nanosecondsOf(ms: number): bigint {
  const whole = Math.floor(ms);
  return BigInt(whole) * NS_PER_MS + BigInt(Math.round((ms - whole) * 1e6));
}

/** The nearest time that can be stored, within the range of `fromMilliseconds`. */
export function fromNanoseconds(ns: bigint, hasExtra: boolean): Timestamp {
  const below = ((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  const { seconds, extra } = fromMilliseconds(Number((ns - below) / NS_PER_MS), hasExtra);
  // Out of range, the nearest time is the first or last whole second.
  const isExact = hasExtra && toNanoseconds(seconds, extra) === ns - below;
  return { seconds, extra: isExact ? extra + Number(below) * EPOCH_BITS : extra };
}

/** The nearest time that can be stored: from 1901 to 2446 with extra bits, to 2038 without. */
export function fromMilliseconds(ms: number, hasExtra: boolean): Timestamp {
  const most = hasExtra ? MIN_SECONDS + EPOCHS * SECONDS_RANGE - 1 : MIN_SECONDS + SECONDS_RANGE - 1;
  const whole = Math.floor(ms / 1000);
  if (!hasExtra || whole < MIN_SECONDS || whole > most) {
    const seconds = Math.max(MIN_SECONDS, Math.min(most, whole));
    const epoch = Math.floor((seconds - MIN_SECONDS) / SECONDS_RANGE);
    return { seconds: seconds - epoch * SECONDS_RANGE, extra: epoch };
  }
  const epoch = Math.floor((whole - MIN_SECONDS) / SECONDS_RANGE);
  const nanoseconds = Math.min(999_999_999, Math.round((ms - whole * 1000) * 1e6));
  return { seconds: whole - epoch * SECONDS_RANGE, extra: nanoseconds * EPOCH_BITS + epoch };
}
