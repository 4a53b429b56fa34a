// Owns the quoting of words for the guest's shell.

/** `word` as one word of a POSIX shell, whatever bytes it has. */
export function shellQuote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
