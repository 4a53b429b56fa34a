// Owns the width of the terminal, and the wrapping of prose to it.

/** The columns of the terminal, or the value of COLUMNS, or else Infinity. */
export function terminalWidth(): number {
  const told = Number(process.env['COLUMNS'] ?? NaN);
  return process.stdout.isTTY ? process.stdout.columns : told >= 1 ? told : Infinity;
}

/** Wraps `text` into lines of at most `width` columns. A longer word gets a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
