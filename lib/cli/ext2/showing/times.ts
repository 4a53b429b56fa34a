// Owns the text of times that commands print.

const NS_PER_MS = 1_000_000n;
const NS_PER_SECOND = 1_000_000_000n;

function two(value: number): string {
  return String(value).padStart(2, '0');
}

let latest = { second: Number.NaN, text: '' };

/** `2026-01-31 09:00`, in the time zone of this process. */
export function minuteInWords(ms: number): string {
  // Many files of a directory have the same second. The same minute is not enough: local times of the past differ by seconds too.
  const second = Math.floor(ms / 1000);
  if (second !== latest.second) latest = { second, text: inWords(ms) };
  return latest.text;
}

function inWords(ms: number): string {
  const date = new Date(Math.floor(ms));
  const day = `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** `2026-01-31 09:00:00.123456789 +0000`, in the time zone of this process. */
export function timeInWords(ns: bigint): string {
  const below = ((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  const ms = Number((ns - below) / NS_PER_MS);
  const date = new Date(ms);
  const zone = -date.getTimezoneOffset();
  const sign = zone < 0 ? '-' : '+';
  const hours = `${two(Math.floor(Math.abs(zone) / 60))}${two(Math.abs(zone) % 60)}`;
  return `${minuteInWords(ms)}:${two(date.getSeconds())}.${String(below).padStart(9, '0')} ${sign}${hours}`;
}
