// Owns the notation of sizes on the command line: 512M, 2G.

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

export const MIB = 1024 ** 2;
export const GIB = 1024 ** 3;

/** Bytes of `512M`, `2G`, `1048576` (powers of 1024). Throws `RangeError` for anything else, zero included. */
export function parseSize(text: string): number {
  const match = /^([1-9][0-9]*)([KMGT]?)(?:i?B)?$/i.exec(text);
  const bytes = match === null ? NaN : Number(match[1]) * (UNITS[(match[2] ?? '').toUpperCase()] ?? NaN);
  if (!Number.isSafeInteger(bytes)) throw new RangeError(`'${text}' is not a size such as 512M or 2G`);
  return bytes;
}

/** The shortest exact notation of `bytes`. */
export function formatSize(bytes: number): string {
  for (const unit of ['T', 'G', 'M', 'K']) {
    const scale = UNITS[unit] ?? 1;
    if (bytes >= scale && bytes % scale === 0) return `${bytes / scale}${unit}`;
  }
  return String(bytes);
}
