// Owns the notation of figures for people.

const SI = ['', 'k', 'M', 'G', 'T'];
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const TIMES = ['ns', 'µs', 'ms', 's'];

// A value with three digits, whatever its magnitude.
function digits(value: number): string {
  if (value === 0) return '0';
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function scaled(value: number, units: readonly string[], step: number): string {
  let scale = value;
  let unit = 0;
  // A value that would be rounded to 1000 is 1.00 of the next unit.
  while (scale >= step * 0.9995 && unit < units.length - 1) {
    scale /= step;
    unit += 1;
  }
  return `${unit === 0 ? Number(digits(scale)) : digits(scale)} ${units[unit] ?? ''}`.trim();
}

/** Operations a second: `1.74 M`. */
export const formatIops = (iops: number): string => scaled(iops, SI, 1000);
/** Bytes a second: `6.80 GiB/s`. */
export const formatBandwidth = (bytes: number): string => `${scaled(bytes, BINARY, 1024)}/s`;
/** Bytes: `256 MiB`, with the digits that it needs. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < BINARY.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number(value.toFixed(1))} ${BINARY[unit] ?? ''}`;
}
/** Nanoseconds: `1.62 µs`. */
export const formatTime = (nanoseconds: number): string => scaled(nanoseconds, TIMES, 1000);
/** A ratio: `7.58`, `0.037`. */
export const formatRatio = (ratio: number): string => (ratio < 1 ? `${Number(ratio.toPrecision(2))}` : `${Number(digits(ratio))}`);
