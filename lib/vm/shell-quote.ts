// Owns the quoting of words for the guest's shell.

/** Quotes `word`, with whatever characters, as one word of a POSIX shell. */
export function shellQuote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
