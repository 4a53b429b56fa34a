// Owns how wide the terminal is, and prose that fits it.

/** Columns of the terminal, or of what COLUMNS says; without end where nobody tells. */
export function terminalWidth(): number {
  const told = Number(process.env['COLUMNS'] ?? NaN);
  return process.stdout.isTTY ? process.stdout.columns : told >= 1 ? told : Infinity;
}

/** `text` in lines of at most `width` columns; a longer word has a line of its own. */
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
